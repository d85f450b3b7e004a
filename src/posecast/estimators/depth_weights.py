"""The published weights of Depth Anything V2 (small, Apache 2.0): address and availability."""

from __future__ import annotations

from posecast.media.download import PublishedFile, hub_url, is_at_hand

_REPOSITORY = "depth-anything/Depth-Anything-V2-Small-hf"
_REVISION = "5426e4f0f36572d16453bbda7a8389317b1bef99"
CONFIG = PublishedFile(
    name="config.json",
    url=hub_url(_REPOSITORY, "config.json", _REVISION),
    sha256="c56698d3643dde1f83ea2212759e6b31a22b8f827246a36dd007ee8a22b3ff75",
    size=950,
)
PARAMETERS = PublishedFile(
    name="model.safetensors",
    url=hub_url(_REPOSITORY, "model.safetensors", _REVISION),
    sha256="3152477ce0d8d6978d76b995120de97cb5b928701fd0f817769f59e249a16b70",
    size=99_173_660,
)
KIND = "depth-anything-v2-small"
"""The cache folder that holds them."""


def depth_is_at_hand() -> bool:
    """Whether they are already in the cache; imports no network library."""
    return all(is_at_hand(file, KIND) for file in (CONFIG, PARAMETERS))
