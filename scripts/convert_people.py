#!/usr/bin/env python3
"""Make the weights of the built-in people finder from Google's published networks.

    npm pack @mediapipe/pose@0.5.1675469404 @mediapipe/holistic@0.5.1675471629
    for name in pose holistic; do mkdir $name; tar xf mediapipe-$name-*.tgz -C $name; done
    pip install ai-edge-litert posecast
    python scripts/convert_people.py pose/package holistic/package [-o FOLDER] [--goldens FOLDER]
    python scripts/convert_people.py pose/package --heavy -o FOLDER

Writes `detector.safetensors` and `landmarks_full.safetensors` of the first package, `hand`,
`hand_region` and `face.safetensors` of the second (with --heavy `landmarks_heavy.safetensors`
alone, for `--people-weights`), and checks that our modules give what the originals give. Weights
are kept as they are published (all but `hand_region` in float16): the same packages give the same
bytes. ai-edge-litert, which runs the originals, is needed here alone, never by Posecast.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from safetensors.torch import save_file
from torch import nn

from posecast.estimators.builtin.blocks import Conv
from posecast.estimators.builtin.detector import DetectorNetwork
from posecast.estimators.builtin.faces import SIDE as FACE_SIDE
from posecast.estimators.builtin.faces import FaceNetwork
from posecast.estimators.builtin.hands import REGION_SIDE, HandNetwork, HandRegionNetwork
from posecast.estimators.builtin.hands import SIDE as HAND_SIDE
from posecast.estimators.builtin.landmarks import SIZES, LandmarkNetwork
from posecast.estimators.builtin.weights import (
    KIND,
    load_detector,
    load_face,
    load_hand,
    load_hand_region,
    load_landmarks,
)

ASSETS = Path(__file__).resolve().parent.parent / "src" / "posecast" / "assets" / "people"
PUBLISHED = {
    "pose_solution_packed_assets.data": (
        "a63c614bef30d35947f13be361820b1e4e3bec9cfeebf4d11216a18373108e85"
    ),
    "pose_landmark_full.tflite": "e9a5c5cb17f736fafd4c2ec1da3b3d331d6edbe8a0d32395855aeb2cdfd64b9f",
    "pose_landmark_heavy.tflite": (
        "59e42d71bcd44cbdbabc419f0ff76686595fd265419566bd4009ef703ea8e1fe"
    ),
    "holistic_solution_packed_assets.data": (
        "743ef881d77fb8fb8e831bd49e72e97c2ad5560803c76617157ccfcfebc5ca9d"
    ),
}
"""SHA-256 of the files of these versions."""
TOLERANCE = 1e-3
"""Largest difference between our outputs and the originals', relative to the largest value."""

_PACKED = "holistic_solution_packed_assets.data"
_IN_PACKED = {
    "hand": slice(3986256, 9464944),
    "hand_region": slice(9464955, 9588747),
    "face": slice(248408, 1490304),
}
"""Offsets of the networks in one file, as its loader (``*_loader.js``) lists them."""

_LAYERS = {
    "CONV_2D": (0, 3, 1, 2),
    "DEPTHWISE_CONV_2D": (3, 0, 1, 2),
    "FULLY_CONNECTED": (0, 1),
    "PRELU": (2, 0, 1),
}
"""Operators that become our layers, and the order of our weights' dimensions."""
_IN_METRES = ((117, 288, 2, 2), (63, 1152))
"""Layers that give points in metres, which we omit."""


class Original:
    """A published network, run by LiteRT; every tensor can be read after a run."""

    def __init__(self, path: Path, part: slice = slice(None)) -> None:
        from ai_edge_litert import schema_py_generated as schema
        from ai_edge_litert.interpreter import Interpreter, OpResolverType

        content = path.read_bytes()
        digest = hashlib.sha256(content).hexdigest()
        if digest != PUBLISHED[path.name]:
            sys.exit(f"{path}: sha256 {digest}; expected {PUBLISHED[path.name]}")
        content = content[part]
        self._net = Interpreter(
            model_content=content,
            num_threads=1,
            experimental_preserve_all_tensors=True,
            experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        )
        self._net.allocate_tensors()
        model = schema.ModelT.InitFromObj(schema.Model.GetRootAsModel(content, 0))
        graph, names = model.subgraphs[0], vars(schema.BuiltinOperator)
        kinds = {names[kind]: kind for kind in _LAYERS}
        self._layers = []
        for operator in graph.operators:
            code = model.operatorCodes[operator.opcodeIndex]
            kind = kinds.get(max(code.builtinCode, code.deprecatedBuiltinCode))
            if kind is not None:
                stride = getattr(operator.builtinOptions, "strideH", 1)
                self._layers.append((kind, stride, operator.inputs[1:3]))

    def __call__(self, picture: np.ndarray) -> list[np.ndarray]:
        """The outputs for a picture (height, width, 3)."""
        self._net.set_tensor(self._net.get_input_details()[0]["index"], picture[None])
        self._net.invoke()
        return [self._net.get_tensor(out["index"]) for out in self._net.get_output_details()]

    def layers(self) -> list[tuple[int, list[torch.Tensor]]]:
        """Stride, weights and biases of all layers, in graph order."""
        found = []
        for kind, stride, tensors in self._layers:
            weight, *bias = (self._net.get_tensor(index) for index in tensors)
            weight = weight.transpose(_LAYERS[kind])
            values = (weight.ravel() if kind == "PRELU" else weight, *bias)
            found.append((stride, [torch.from_numpy(np.ascontiguousarray(v)) for v in values]))
        return found


def convert(original: Original, module: nn.Module, side: int) -> dict[str, torch.Tensor]:
    """The original's weights under our module's names.

    Our layers run in nearly the same order as the original's, so each takes the first remaining
    layer of its shape and stride. `compare` verifies the result.
    """
    original(np.zeros((side, side, 3), np.float32))
    left = original.layers()
    names = {id(part): name for name, part in module.named_modules()}
    state: dict[str, torch.Tensor] = {}

    def take(part: nn.Module, *_: Any) -> None:
        name = names[id(part)]
        parameters = dict(part.named_parameters())
        strides = part.stride[0] if isinstance(part, Conv) else 1
        for index, (stride, tensors) in enumerate(left):
            if tensors[0].shape == parameters["weight"].shape and stride == strides:
                del left[index]
                for key, values in zip(parameters, tensors, strict=True):
                    half = values.half()
                    exact = torch.equal(half.float(), values)
                    state[f"{name}.{key}"] = (half if exact else values).contiguous()
                return
        sys.exit(f"{name}: no layer of shape {tuple(parameters['weight'].shape)} is left")

    ours = [p for p in module.modules() if isinstance(p, Conv | nn.Linear | nn.PReLU)]
    hooks = [part.register_forward_pre_hook(take) for part in ours]
    module(torch.zeros(1, 3, side, side))
    for hook in hooks:
        hook.remove()
    if [tuple(tensors[0].shape) for _, tensors in left] not in ([], *([m] for m in _IN_METRES)):
        sys.exit(f"{len(left)} layers of the original are left over")
    return dict(sorted(state.items()))


def network_input(kind: str, side: int) -> np.ndarray:
    """A fixed picture for comparisons, bytes: blocks of ``noise``, or a drawn ``puppet``, etc."""
    if kind == "noise":
        blocks = np.random.default_rng(16).integers(0, 256, (side // 8, side // 8, 3), np.uint8)
        return blocks.repeat(8, axis=0).repeat(8, axis=1)
    picture = np.full((256, 256, 3), _WALL, np.uint8)
    {"puppet": _draw_puppet, "hand": _draw_hand, "face": _draw_face}[kind](picture)
    start = (256 - side) // 2
    return np.ascontiguousarray(picture[start : start + side, start : start + side])


_WALL, _SKIN, _DARK = (150, 170, 180), (224, 172, 140), (30, 30, 30)


def _draw_puppet(picture: np.ndarray) -> None:
    picture[200:] = (110, 120, 90)
    skin, shirt, trousers = _SKIN, (190, 40, 50), (40, 60, 120)
    for start, end, width, colour in (
        ((118, 130), (112, 178), 18, trousers), ((112, 178), (108, 226), 14, trousers),
        ((138, 130), (146, 178), 18, trousers), ((146, 178), (150, 226), 14, trousers),
        ((108, 226), (98, 230), 10, _DARK), ((150, 226), (162, 230), 10, _DARK),
        ((128, 82), (128, 122), 38, shirt), ((110, 78), (84, 104), 13, shirt),
        ((84, 104), (78, 138), 10, skin), ((146, 78), (172, 98), 13, shirt),
        ((172, 98), (190, 70), 10, skin), ((128, 62), (128, 72), 12, skin),
    ):  # fmt: skip
        cv2.line(picture, start, end, colour, width)
    cv2.ellipse(picture, (128, 46), (14, 18), 0, 0, 360, skin, -1)
    cv2.ellipse(picture, (128, 36), (16, 12), 0, 180, 360, (60, 40, 30), -1)
    for centre in ((122, 44), (134, 44)):
        cv2.circle(picture, centre, 2, _DARK, -1)
    cv2.line(picture, (123, 55), (133, 55), (150, 60, 60), 2)


def _draw_hand(picture: np.ndarray) -> None:
    cv2.line(picture, (128, 240), (128, 190), _SKIN, 34)
    cv2.ellipse(picture, (128, 165), (34, 38), 0, 0, 360, _SKIN, -1)
    for base, tip, width in (
        ((102, 165), (70, 120), 17), ((106, 140), (92, 72), 15), ((122, 135), (118, 56), 15),
        ((137, 137), (143, 62), 15), ((152, 145), (168, 84), 13),
    ):  # fmt: skip
        cv2.line(picture, base, tip, _SKIN, width)
        cv2.circle(picture, tip, width // 4, (240, 200, 180), -1)


def _draw_face(picture: np.ndarray) -> None:
    cv2.ellipse(picture, (128, 132), (50, 66), 0, 0, 360, _SKIN, -1)
    cv2.ellipse(picture, (128, 100), (54, 46), 0, 180, 360, (60, 40, 30), -1)
    for x in (108, 148):
        cv2.ellipse(picture, (x, 122), (10, 5), 0, 0, 360, (250, 250, 250), -1)
        cv2.circle(picture, (x, 122), 4, _DARK, -1)
        cv2.line(picture, (x - 11, 110), (x + 11, 110), (60, 40, 30), 3)
    cv2.line(picture, (128, 124), (124, 146), (190, 140, 110), 3)
    cv2.line(picture, (124, 148), (133, 148), (170, 110, 90), 3)
    cv2.ellipse(picture, (128, 168), (18, 6), 0, 0, 360, (170, 70, 70), -1)


def write(state: dict[str, torch.Tensor], path: Path, kind: str) -> None:
    """Write one weight file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(state, path, metadata={KIND: kind})
    path.chmod(0o644)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    print(f"{path}: {path.stat().st_size / 1e6:.1f} MB, sha256 {digest}")


def compare(name: str, ours: np.ndarray, theirs: np.ndarray) -> None:
    """Exit if one of our outputs differs from the original's."""
    error = float(np.abs(ours - theirs).max() / np.abs(theirs).max())
    print(f"  {name}: largest difference {error:.1e} of the largest value")
    if not error < TOLERANCE:
        sys.exit(f"{name}: our output is not the original's")


def detector(package: Path, out: Path, goldens: dict[str, np.ndarray]) -> None:
    """Convert and check the detector."""
    original = Original(package / "pose_solution_packed_assets.data")
    state = convert(original, DetectorNetwork(), 224)
    write(state, out / "detector.safetensors", "detector")
    network = load_detector(out / "detector.safetensors")
    for kind in ("noise", "puppet"):
        pixels = network_input(kind, 224)
        picture = pixels / np.float32(127.5) - 1
        values, logits = original(picture)
        with torch.no_grad():
            found = network(torch.from_numpy(picture).permute(2, 0, 1)[None])
        compare(f"{kind} boxes", found[0][0].numpy(), values[0])
        compare(f"{kind} scores", found[1][0].numpy(), logits[0, :, 0])
        goldens[f"detector_{kind}_input"] = pixels
        goldens[f"detector_{kind}_boxes"] = values[0][::16].copy()
        goldens[f"detector_{kind}_scores"] = logits[0, :, 0]


def landmarks(package: Path, out: Path, size: str, goldens: dict[str, np.ndarray]) -> None:
    """Convert and check a landmark network."""
    original = Original(package / f"pose_landmark_{size}.tflite")
    kind = f"landmarks-{size}"
    state = convert(original, LandmarkNetwork(SIZES[kind]), 256)
    file = out / f"landmarks_{size}.safetensors"
    write(state, file, kind)
    network = load_landmarks(file)
    for name in ("noise", "puppet"):
        pixels = network_input(name, 256)
        crop = pixels / np.float32(255)
        points, presence, mask, heat, _ = original(crop)
        with torch.no_grad():
            found = network(torch.from_numpy(crop).permute(2, 0, 1)[None])
        assert found.mask is not None
        theirs = {
            "points": points.reshape(39, 5),
            "presence": presence[0],
            "mask": mask[0, :, :, 0],
            "heat": heat[0].transpose(2, 0, 1),
        }
        ours = {
            "points": found.points[0],
            "presence": found.presence.sigmoid(),
            "mask": found.mask[0],
            "heat": found.heat[0],
        }
        for key, values in theirs.items():
            compare(f"{name} {key}", ours[key].numpy(), values)
        theirs |= {"mask": theirs["mask"][::8, ::8], "heat": theirs["heat"][::6, ::8, ::8]}
        theirs["input"] = pixels
        goldens |= {f"{size}_{name}_{key}": values.copy() for key, values in theirs.items()}


def hand(package: Path, out: Path, goldens: dict[str, np.ndarray]) -> None:
    """Convert and check the hand's two networks, on the drawn ``hand`` and on noise."""
    original = Original(package / _PACKED, _IN_PACKED["hand"])
    region = Original(package / _PACKED, _IN_PACKED["hand_region"])
    write(convert(original, HandNetwork(), HAND_SIDE), out / "hand.safetensors", "hand")
    state = convert(region, HandRegionNetwork(), REGION_SIDE)
    write(state, out / "hand_region.safetensors", "hand_region")
    network = load_hand(out / "hand.safetensors")
    finder = load_hand_region(out / "hand_region.safetensors")
    for name in ("noise", "hand"):
        pixels = network_input(name, HAND_SIDE)
        crop = pixels / np.float32(255)
        points, presence, right, _ = original(crop)
        with torch.no_grad():
            found = network(torch.from_numpy(crop).permute(2, 0, 1)[None])
        theirs = {"points": points.reshape(-1, 3), "presence": presence[0], "right": right[0]}
        ours = {
            "points": found.points[0],
            "presence": found.presence.sigmoid(),
            "right": found.right.sigmoid(),
        }
        margin = (REGION_SIDE - HAND_SIDE) // 2
        wide = np.pad(crop, ((margin, margin), (margin, margin), (0, 0)))
        theirs["region"] = region(wide)[0].reshape(2, 2)
        with torch.no_grad():
            ours["region"] = finder(torch.from_numpy(wide).permute(2, 0, 1)[None])[0]
        for key, values in theirs.items():
            compare(f"{name} {key}", ours[key].numpy(), values)
        theirs["input"] = pixels
        goldens |= {f"hand_{name}_{key}": values.copy() for key, values in theirs.items()}


def face(package: Path, out: Path, goldens: dict[str, np.ndarray]) -> None:
    """Convert and check the face mesh, on the drawn ``face`` and on noise."""
    original = Original(package / _PACKED, _IN_PACKED["face"])
    write(convert(original, FaceNetwork(), FACE_SIDE), out / "face.safetensors", "face")
    network = load_face(out / "face.safetensors")
    for name in ("noise", "face"):
        pixels = network_input(name, FACE_SIDE)
        crop = pixels / np.float32(255)
        points, presence = original(crop)
        with torch.no_grad():
            found = network(torch.from_numpy(crop).permute(2, 0, 1)[None])
        theirs = {"points": points.reshape(-1, 3), "presence": presence.reshape(1)}
        for key, values in theirs.items():
            compare(f"{name} {key}", getattr(found, key).reshape(values.shape).numpy(), values)
        theirs |= {"input": pixels, "points": theirs["points"][::8]}
        goldens |= {f"face_{name}_{key}": values.copy() for key, values in theirs.items()}


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pose", type=Path, help="the folder of the npm package @mediapipe/pose")
    parser.add_argument("holistic", type=Path, nargs="?", help="of @mediapipe/holistic")
    parser.add_argument("--heavy", action="store_true", help="the large landmark network alone")
    parser.add_argument("-o", "--out", type=Path, default=ASSETS, help="where the files go")
    parser.add_argument("--goldens", type=Path, help="also write the originals' outputs there")
    options = parser.parse_args()
    goldens: dict[str, np.ndarray] = {}
    if options.heavy:
        landmarks(options.pose, options.out, "heavy", goldens)
    elif options.holistic is None:
        parser.error("expected the folders of both packages")
    else:
        detector(options.pose, options.out, goldens)
        landmarks(options.pose, options.out, "full", goldens)
        hand(options.holistic, options.out, goldens)
        face(options.holistic, options.out, goldens)
    if options.goldens is not None:
        options.goldens.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(options.goldens / "people_networks.npz", **goldens)


if __name__ == "__main__":
    main()
