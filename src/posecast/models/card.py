"""The model card on the hub: what the model is, how it is loaded, and its limits."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

from accelerate import init_empty_weights

from posecast import __version__
from posecast.models.animator import Animator
from posecast.models.folder import PARTS, model_config

_BODY = """
# {name}

A model of Posecast {version}: one picture with one or several characters, and a pose sequence for
each, become a video in which every character follows its own. The method is that of [arXiv 2406.03035](https://arxiv.org/abs/2406.03035).

{pictures}| | |
|---|---|
| size it works at | {height}x{width} |
| frames at once | {window} |
| guiders | {guiders} |
| steps, guidance | {steps}, {guidance:g} |
| parameters | {parameters} |

## Use

```sh
posecast animate --model {repo} --reference picture.png --poses dance.mp4 -o out.mp4
```

```python
from posecast import AnimationPipeline

pipe = AnimationPipeline.from_pretrained("{repo}")
result = pipe("picture.png", "dance.mp4")
```

or, of a folder of these files, by diffusers:

```python
from diffusers import DiffusionPipeline
from posecast.pipeline import for_diffusers

pipe = DiffusionPipeline.from_pretrained(
    "FOLDER", custom_pipeline=for_diffusers.__file__, trust_remote_code=True
)
```

All files are safetensors and JSON. What it was trained on, how well it does, and what it must not
be used for is for whoever trained it to say here.
"""


def model_card(
    folder: str | Path, repo: str, licence: str, pictures: Sequence[str | Path] = ()
) -> str:
    """The card of a model folder that will be at `repo` (owner/name), with its YAML front matter.

    `licence` is the hub's short name of it, such as apache-2.0. `pictures` are shown at the top, as
    files of `images/`.

    Raises:
        InputError: no model folder of ours.
    """
    config = model_config(folder)
    with init_empty_weights():
        animator = Animator(config)
    sizes = {
        name: sum(p.numel() for p in part.parameters())
        for name in PARTS
        if (part := getattr(animator, name)) is not None
    }
    shown = [Path(picture).name for picture in pictures]
    front = [
        "---", f"license: {licence}", "library_name: diffusers", "pipeline_tag: image-to-video",
        "tags:", "- posecast", "- human-animation", "- pose-guided", "- arxiv:2406.03035",
    ]  # fmt: skip
    if shown:
        front.append("widget:")
        for name in shown:
            text, url = json.dumps(Path(name).stem), json.dumps(f"images/{name}")
            front += [f"- text: {text}", "  output:", f"    url: {url}"]
    lines = "".join(f"![{Path(name).stem}](images/{quote(name)})\n" for name in shown)
    body = _BODY.format(
        name=repo.partition("/")[2],
        version=__version__,
        repo=repo,
        height=config.size[0],
        width=config.size[1],
        window=config.window,
        guiders=", ".join(config.guiders) or "none",
        steps=config.num_steps,
        guidance=config.guidance_scale,
        parameters=", ".join(f"{name} {size / 1e6:.1f}M" for name, size in sizes.items()),
        pictures=lines + "\n" if lines else "",
    )
    return "\n".join([*front, "---", body])
