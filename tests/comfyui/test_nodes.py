"""The nodes against a stub of ComfyUI's interface, loaded as its loader does it.

In ComfyUI itself they are run by hand (comfyui/README.md).
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from posecast.errors import InputError
from posecast.export import SYSTEMS
from posecast.media.pose_formats.written import comfyui_frames
from tests.casting.conftest import person
from tests.comfyui import stub
from tests.cutout.conftest import BLUE, RED, Painted
from tests.estimators.puppet_scenes import scene

PACK = Path(__file__).parents[2] / "comfyui"
WORKFLOWS = sorted((PACK / "example_workflows").glob("*.json"))
CORE = {"LoadImage", "LoadVideo", "GetVideoComponents", "CreateVideo", "SaveVideo", "PreviewImage"}


@pytest.fixture
def nodes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[dict[str, Any]]:
    before = set(sys.modules)
    for name, module in stub.modules(tmp_path).items():
        monkeypatch.setitem(sys.modules, name, module)
    extension = asyncio.run(stub.loaded(PACK).comfy_entrypoint())
    found = asyncio.run(extension.get_node_list())
    yield {node.define_schema().node_id: node for node in found}
    for name in set(sys.modules) - before:
        if "comfy" in name:
            sys.modules.pop(name, None)


@pytest.fixture
def pair() -> Painted:
    return Painted((288, 320), [(person(30, 60, 80), RED), (person(190, 50, 80), BLUE)])


def inputs(pair: Painted, steps: int = 4) -> dict[str, Any]:
    tracks = np.repeat(pair.poses.keypoints, steps, axis=1)
    tracks[0, ..., 0] += 70
    tracks[1, ..., 0] -= 70
    return {
        "reference": torch.from_numpy(pair.picture[None].astype(np.float32) / 255),
        "poses": comfyui_frames(pair.poses.with_keypoints(tracks)),
        "fps": 12.0, "assign": "", "fit": False, "smooth": 0.0, "max_frames": 0,
        "size_for": "the picture", "reference_poses": comfyui_frames(pair.poses),
        "masks": torch.from_numpy((pair.masks > 0).astype(np.float32)),
    }  # fmt: skip


def test_every_node_has_a_complete_schema(nodes: dict[str, Any]) -> None:
    assert len(nodes) == 6
    for name, node in nodes.items():
        assert name.startswith("Posecast")
        assert node.define_schema().rest["category"] == "Posecast"
    sizes = next(s for s in nodes["PosecastCast"].define_schema().inputs if s.id == "size_for")
    assert sizes.details["options"] == ["the picture", *SYSTEMS]


def test_a_picture_and_poses_become_a_clip_in_order(nodes: dict[str, Any], pair: Painted) -> None:
    cast, picture, notes = nodes["PosecastCast"].execute(**inputs(pair)).args
    assert picture.ndim == 4
    assert picture.shape[-1] == 3
    assert isinstance(notes, str)
    ordered, _ = nodes["PosecastDepthOrder"].execute(cast, "0: 0,1; 2: 1,0").args
    frames, fps = nodes["PosecastAnimate"].execute(ordered, "cutout", 0, 0).args
    assert fps == 12.0
    assert frames.shape == (4, 288, 320, 3)
    assert 0 <= float(frames.min()) <= float(frames.max()) <= 1
    shown = frames[:, 127, 152]  # where both stand
    assert (shown[:2, 0] > 0.6).all()
    assert (shown[:2, 2] < 0.4).all()
    assert (shown[2:, 2] > 0.6).all()
    made = nodes["PosecastConditions"].execute(ordered, -1).args
    skeletons, poses, masks, reference, order, scail, scail_reference = made
    assert skeletons.shape == order.shape == scail.shape == (4, 288, 320, 3)
    assert masks.shape == (4, 288, 320)
    assert reference.shape == (1, 288, 320)
    assert [frame["front_to_back"] for frame in poses] == [[0, 1]] * 2 + [[1, 0]] * 2
    assert scail[0, 127, 152].tolist() == [0, 0, 1]  # character 0 is blue
    assert scail[3, 127, 152].tolist() == [1, 0, 0]
    assert scail_reference[0, 0, 0].tolist() == [1, 1, 1]
    _, only, alone, *_ = nodes["PosecastConditions"].execute(ordered, 1).args
    assert not any(only[0]["people"][0]["pose_keypoints_2d"])
    assert not alone[0, 127, 152]
    assert alone[3, 127, 152]
    with pytest.raises(InputError, match="character 2: there are 2"):
        nodes["PosecastConditions"].execute(ordered, 2)


@pytest.mark.parametrize(
    ("text", "message"),
    [("front", "expected characters"), ("0,0", "order '0,0'"), ("3: 0,1", "rise from 0")],
)
def test_an_order_that_cannot_be_is_refused(
    nodes: dict[str, Any], pair: Painted, text: str, message: str
) -> None:
    cast = nodes["PosecastCast"].execute(**inputs(pair)).args[0]
    with pytest.raises(InputError, match=message):
        nodes["PosecastDepthOrder"].execute(cast, text)


def test_several_drivers_and_a_chosen_order(nodes: dict[str, Any], pair: Painted) -> None:
    given = inputs(pair)
    both = pair.poses
    for name, character in (("poses", 0), ("poses_2", 1)):
        given[name] = comfyui_frames(both.with_keypoints(both.keypoints[character : character + 1]))
        assert len(given[name][0]["people"]) == 1
    given["assign"] = "0:1,1:0"
    cast = nodes["PosecastCast"].execute(**given).args[0]
    assert cast.plan.cast.drivers == (1, 0)
    assert cast.plan.num_frames == 1


def test_export_writes_into_the_output_folder(
    nodes: dict[str, Any], pair: Painted, tmp_path: Path
) -> None:
    given = inputs(pair) | {"size_for": "scail2"}
    cast = nodes["PosecastCast"].execute(**given).args[0]
    assert cast.plan.size[0] % 32 == cast.plan.size[1] % 32 == 0
    made = nodes["PosecastExport"].execute(cast, "scail2", "posecast/cast")
    folder = Path(made.args[0])
    assert folder == tmp_path / "posecast" / "cast_00001_scail2"
    assert (folder / "rendered_mask_v2.mp4").is_file()
    assert stub.ProgressBar.last == (4, 4)
    odd = replace(cast, plan=replace(cast.plan, size=(290, 320)))
    with pytest.raises(InputError, match="multiples of 32"):
        nodes["PosecastExport"].execute(odd, "scail2", "posecast/cast")


def test_people_are_found_in_pictures(nodes: dict[str, Any]) -> None:
    picture, _ = scene((720, 960), [(480, 360, 600, 0)])
    images = torch.from_numpy(picture[None].astype(np.float32) / 255)
    poses, preview = nodes["PosecastEstimatePeople"].execute(images, 25.0).args
    assert len(poses) == 1
    assert len(poses[0]["people"]) == 1
    assert max(preview.shape[1:3]) <= 640


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.stem)
def test_workflows_fit_the_nodes(nodes: dict[str, Any], file: Path) -> None:
    graph = json.loads(file.read_text(encoding="utf-8"))
    by_id = {node["id"]: node for node in graph["nodes"]}
    links = {link[0]: link for link in graph["links"]}
    for node in graph["nodes"]:
        assert node["type"] in CORE | set(nodes)
        if node["type"] not in nodes:
            continue
        schema = nodes[node["type"]].define_schema()
        known = {socket.id: socket for socket in schema.inputs}
        assert {entry["name"] for entry in node["inputs"]} == set(known)
        assert [o["type"] for o in node.get("outputs", [])] == [o.kind for o in schema.outputs]
        for entry in node["inputs"]:
            needed = not known[entry["name"]].optional and "widget" not in entry
            assert entry["link"] is not None or not needed, f"{node['type']}.{entry['name']}"
        names = [
            s.id for s in schema.inputs if s.kind in ("FLOAT", "INT", "STRING", "BOOLEAN", "COMBO")
        ]
        extra = 1 if "seed" in names else 0  # the interface adds what happens after a run
        assert len(node.get("widgets_values", [])) == len(names) + extra
    for number, source, slot, target, place, kind in links.values():
        assert number in by_id[source]["outputs"][slot]["links"]
        assert by_id[target]["inputs"][place]["link"] == number
        assert by_id[source]["outputs"][slot]["type"] == kind


def test_the_pack_describes_itself_as_the_registry_asks() -> None:
    text = (PACK / "pyproject.toml").read_text(encoding="utf-8")
    assert re.search(r"^\[tool\.comfy\]$", text, re.MULTILINE)
    assert re.search(r'^PublisherId = "\w+"$', text, re.MULTILINE)
    assert len(WORKFLOWS) == 2
