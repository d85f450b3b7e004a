#!/usr/bin/env python3
"""Make the weights of the built-in people finder from Google's published networks.

    npm pack @mediapipe/pose@0.5.1675469404 && tar xf mediapipe-pose-*.tgz    # makes package/
    pip install ai-edge-litert posecast
    python scripts/convert_people.py package [--heavy] [-o FOLDER] [--goldens FOLDER]

Writes `detector.safetensors` and `landmarks_full.safetensors` (with --heavy instead
`landmarks_heavy.safetensors`, for `--people-weights`) and checks that our modules give what the
originals give. The weights are published in float16 and kept as they are: the same package gives
the same bytes. ai-edge-litert, which runs the originals, is needed here alone, never by Posecast.
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
from posecast.estimators.builtin.landmarks import SIZES, LandmarkNetwork
from posecast.estimators.builtin.weights import KIND, load_detector, load_landmarks

ASSETS = Path(__file__).resolve().parent.parent / "src" / "posecast" / "assets" / "people"
PUBLISHED = {
    "pose_solution_packed_assets.data": (
        "a63c614bef30d35947f13be361820b1e4e3bec9cfeebf4d11216a18373108e85"
    ),
    "pose_landmark_full.tflite": "e9a5c5cb17f736fafd4c2ec1da3b3d331d6edbe8a0d32395855aeb2cdfd64b9f",
    "pose_landmark_heavy.tflite": (
        "59e42d71bcd44cbdbabc419f0ff76686595fd265419566bd4009ef703ea8e1fe"
    ),
}
"""SHA-256 of the files of version 0.5.1675469404."""
TOLERANCE = 1e-3
"""Of our outputs against the originals', by the size of the largest value."""

_WORLD_POINTS = (117, 288, 2, 2)
"""The convolution that gives points in metres, which we leave out."""


class Original:
    """A published network, run by LiteRT; every tensor can be read after a run."""

    def __init__(self, path: Path) -> None:
        from ai_edge_litert import schema_py_generated as schema
        from ai_edge_litert.interpreter import Interpreter, OpResolverType

        content = path.read_bytes()
        digest = hashlib.sha256(content).hexdigest()
        if digest != PUBLISHED[path.name]:
            sys.exit(f"{path}: sha256 {digest}; expected {PUBLISHED[path.name]}")
        self._net = Interpreter(
            model_content=content,
            num_threads=1,
            experimental_preserve_all_tensors=True,
            experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        )
        self._net.allocate_tensors()
        model = schema.ModelT.InitFromObj(schema.Model.GetRootAsModel(content, 0))
        graph, names = model.subgraphs[0], vars(schema.BuiltinOperator)
        kinds = {names["CONV_2D"]: False, names["DEPTHWISE_CONV_2D"]: True}
        self._convolutions = []
        for operator in graph.operators:
            code = model.operatorCodes[operator.opcodeIndex]
            kind = max(code.builtinCode, code.deprecatedBuiltinCode)
            if kind in kinds:
                stride = operator.builtinOptions.strideH
                self._convolutions.append((kinds[kind], stride, *operator.inputs[1:3]))

    def __call__(self, picture: np.ndarray) -> list[np.ndarray]:
        """The outputs for a picture (height, width, 3)."""
        self._net.set_tensor(self._net.get_input_details()[0]["index"], picture[None])
        self._net.invoke()
        return [self._net.get_tensor(out["index"]) for out in self._net.get_output_details()]

    def convolutions(self) -> list[tuple[int, torch.Tensor, torch.Tensor]]:
        """Stride, weights and biases of all convolutions, in the order of the graph."""
        found = []
        for depthwise, stride, weight, bias in self._convolutions:
            values = self._net.get_tensor(weight)
            order = (3, 0, 1, 2) if depthwise else (0, 3, 1, 2)
            tensors = (values.transpose(order), self._net.get_tensor(bias))
            found.append((stride, *(torch.from_numpy(np.ascontiguousarray(t)) for t in tensors)))
        return found


def convert(original: Original, module: nn.Module, side: int) -> dict[str, torch.Tensor]:
    """The original's weights under our module's names.

    Our convolutions run in nearly the same order as the original's: each takes the first of its own
    shape and stride that is left. `check` shows whether that was right.
    """
    original(np.zeros((side, side, 3), np.float32))
    left = original.convolutions()
    names = {id(part): name for name, part in module.named_modules()}
    state: dict[str, torch.Tensor] = {}

    def take(part: Conv, *_: Any) -> None:
        for index, (stride, weight, bias) in enumerate(left):
            if weight.shape == part.weight.shape and stride == part.stride[0]:
                del left[index]
                for name, values in (("weight", weight), ("bias", bias)):
                    half = values.half()
                    if not torch.equal(half.float(), values):
                        sys.exit(f"{names[id(part)]}.{name}: is not float16 in the original")
                    state[f"{names[id(part)]}.{name}"] = half.contiguous()
                return
        sys.exit(f"{names[id(part)]}: no convolution of shape {tuple(part.weight.shape)} is left")

    hooks = [p.register_forward_pre_hook(take) for p in module.modules() if isinstance(p, Conv)]
    module(torch.zeros(1, 3, side, side))
    for hook in hooks:
        hook.remove()
    if [tuple(weight.shape) for _, weight, _ in left] not in ([], [_WORLD_POINTS]):
        sys.exit(f"{len(left)} convolutions of the original are left over")
    return dict(sorted(state.items()))


def network_input(kind: str, side: int) -> np.ndarray:
    """A fixed picture for comparisons, bytes: blocks of ``noise``, or a drawn ``puppet``."""
    if kind == "noise":
        blocks = np.random.default_rng(16).integers(0, 256, (side // 8, side // 8, 3), np.uint8)
        return blocks.repeat(8, axis=0).repeat(8, axis=1)
    picture = np.full((256, 256, 3), (150, 170, 180), np.uint8)
    picture[200:] = (110, 120, 90)
    skin, shirt, trousers = (224, 172, 140), (190, 40, 50), (40, 60, 120)
    for start, end, width, colour in (
        ((118, 130), (112, 178), 18, trousers), ((112, 178), (108, 226), 14, trousers),
        ((138, 130), (146, 178), 18, trousers), ((146, 178), (150, 226), 14, trousers),
        ((108, 226), (98, 230), 10, (30, 30, 30)), ((150, 226), (162, 230), 10, (30, 30, 30)),
        ((128, 82), (128, 122), 38, shirt), ((110, 78), (84, 104), 13, shirt),
        ((84, 104), (78, 138), 10, skin), ((146, 78), (172, 98), 13, shirt),
        ((172, 98), (190, 70), 10, skin), ((128, 62), (128, 72), 12, skin),
    ):  # fmt: skip
        cv2.line(picture, start, end, colour, width)
    cv2.ellipse(picture, (128, 46), (14, 18), 0, 0, 360, skin, -1)
    cv2.ellipse(picture, (128, 36), (16, 12), 0, 180, 360, (60, 40, 30), -1)
    for centre in ((122, 44), (134, 44)):
        cv2.circle(picture, centre, 2, (30, 30, 30), -1)
    cv2.line(picture, (123, 55), (133, 55), (150, 60, 60), 2)
    start = (256 - side) // 2
    return np.ascontiguousarray(picture[start : start + side, start : start + side])


def write(state: dict[str, torch.Tensor], path: Path, kind: str) -> None:
    """One file of weights."""
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(state, path, metadata={KIND: kind})
    path.chmod(0o644)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    print(f"{path}: {path.stat().st_size / 1e6:.1f} MB, sha256 {digest}")


def compare(name: str, ours: np.ndarray, theirs: np.ndarray) -> None:
    """Stop where an output of ours is not the original's."""
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


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("package", type=Path, help="the npm package's folder")
    parser.add_argument("--heavy", action="store_true", help="the large landmark network alone")
    parser.add_argument("-o", "--out", type=Path, default=ASSETS, help="where the files go")
    parser.add_argument("--goldens", type=Path, help="also write the originals' outputs there")
    options = parser.parse_args()
    goldens: dict[str, np.ndarray] = {}
    if options.heavy:
        landmarks(options.package, options.out, "heavy", goldens)
    else:
        detector(options.package, options.out, goldens)
        landmarks(options.package, options.out, "full", goldens)
    if options.goldens is not None:
        options.goldens.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(options.goldens / "people_networks.npz", **goldens)


if __name__ == "__main__":
    main()
