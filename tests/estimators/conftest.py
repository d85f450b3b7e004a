"""Small ONNX networks with the published DWPose files' inputs and outputs, and pictures for them.

The detector finds blue squares and puts a box of a fixed size around each; the pose network finds
the centres of a red and of a green dot to a fraction of a pixel. So a dot painted in a picture of
any size must come back at its place, through the real code before, between and after the two.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

BOX = (120, 200)
"""Width and height of the detector's boxes, in pixels of its 640 x 640 picture."""
MEAN, STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
ABSENT = 132
"""The joint that the pose network never finds; of the others, even ones are red, odd ones green."""


def save(path: Path, nodes: list, inputs: dict, outputs: dict, constants: dict) -> Path:
    values = [
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in part.items()]
        for part in (inputs, outputs)
    ]
    known = [
        numpy_helper.from_array(
            np.asarray(c, np.int64 if "shape" in n or "axes" in n else np.float32), n
        )
        for n, c in constants.items()
    ]
    graph = helper.make_graph(nodes, "test", *values, known)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, path)
    return path


def detector_file(path: Path, batch: int | str = 1) -> Path:
    """`yolox_l.onnx`'s inputs and outputs; finds squares much bluer than red."""
    node = helper.make_node
    nodes = [
        node("Conv", ["images", "blue_minus_red"], ["difference"]),
        node("AveragePool", ["difference"], ["mean"], kernel_shape=[8, 8], strides=[8, 8]),
        node("Sub", ["mean", "threshold"], ["over"]),
        node("Clip", ["over", "zero", "one"], ["sure"]),
        node("Reshape", ["sure", "shape_cells"], ["objectness"]),
        # The two coarser grids see nothing.
        node("Pad", ["objectness", "shape_pads"], ["all_objectness"]),
        node("Mul", ["all_objectness", "no_box"], ["zeros"]),
        node("Add", ["zeros", "box"], ["boxes"]),
        node("Mul", ["all_objectness", "no_class"], ["no_classes"]),
        node("Add", ["no_classes", "person"], ["classes"]),
        node("Concat", ["boxes", "all_objectness", "classes"], ["output"], axis=2),
    ]
    constants = {
        "blue_minus_red": np.array([1, 0, -1]).reshape(1, 3, 1, 1),  # blue comes first
        "threshold": 200.0,
        "zero": 0.0,
        "one": 1.0,
        "shape_cells": [-1, 6400, 1],
        "shape_pads": [0, 0, 0, 0, 2000, 0],
        "no_box": np.zeros((1, 1, 4)),
        "box": np.array([0.5, 0.5, np.log(BOX[0] / 8), np.log(BOX[1] / 8)]).reshape(1, 1, 4),
        "no_class": np.zeros((1, 1, 80)),
        "person": np.eye(1, 80).reshape(1, 1, 80),
    }
    inputs, outputs = {"images": (batch, 3, 640, 640)}, {"output": (batch, 8400, 85)}
    return save(path, nodes, inputs, outputs, constants)


def points_file(path: Path, batch: int | str = "batch") -> Path:
    """`dw-ll_ucoco_384.onnx`'s inputs and outputs; finds the centres of a red and a green dot."""
    node = helper.make_node
    nodes = [
        node("Mul", ["input", "std"], ["scaled"]),
        node("Add", ["scaled", "mean"], ["picture"]),
        # Grey gives 0 for every joint, if the picture was normalised as the network expects.
        node("Conv", ["picture", "colours"], ["raw"]),
        node("Sub", ["raw", "threshold"], ["over"]),
        node("Relu", ["over"], ["dots"]),
        node("ReduceSum", ["dots", "axes_all"], ["mass"], keepdims=1),
        node("Min", ["mass", "enough"], ["capped"]),
        node("Max", ["mass", "tiny"], ["safe"]),
    ]
    constants: dict[str, object] = {
        "mean": np.array(MEAN).reshape(1, 3, 1, 1),
        "std": np.array(STD).reshape(1, 3, 1, 1),
        # How much redder, and how much greener, a pixel is than its other channels.
        "colours": np.array([[1, -0.5, -0.5], [-0.5, 1, -0.5]]).reshape(2, 3, 1, 1),
        "joints_axes": [joint % 2 for joint in range(133)],
        "found": np.where(np.arange(133) == ABSENT, 0, 1).reshape(1, -1, 1),
        "threshold": 5.0,
        "axes_all": [2, 3],
        "enough": 0.8,
        "tiny": 1e-6,
    }
    for axis, length, shape in (("x", 288, (1, 1, 1, 288)), ("y", 384, (1, 1, 384, 1))):
        nodes += [
            node("Mul", ["dots", f"at_{axis}"], [f"moment_{axis}"]),
            node("ReduceSum", [f"moment_{axis}", "axes_all"], [f"sum_{axis}"], keepdims=1),
            node("Div", [f"sum_{axis}", "safe"], [f"mid_{axis}"]),
            node("Squeeze", [f"mid_{axis}", "axes_last"], [f"centre_{axis}"]),
            node("Sub", [f"bins_{axis}", f"centre_{axis}"], [f"off_{axis}"]),
            node("Mul", [f"off_{axis}", f"off_{axis}"], [f"square_{axis}"]),
            node("Neg", [f"square_{axis}"], [f"minus_{axis}"]),
            node("Exp", [f"minus_{axis}"], [f"peak_{axis}"]),
            node("Squeeze", ["capped", "axes_last"], [f"height_{axis}"]),
            node("Mul", [f"peak_{axis}", f"height_{axis}"], [f"dot_{axis}"]),
            node("Gather", [f"dot_{axis}", "joints_axes"], [f"all_{axis}"], axis=1),
            node("Mul", [f"all_{axis}", "found"], [f"simcc_{axis}"]),
        ]
        constants[f"at_{axis}"] = np.arange(length).reshape(shape)
        constants[f"bins_{axis}"] = (np.arange(2 * length) / 2).reshape(1, 1, -1)
    constants["axes_last"] = [3]
    inputs = {"input": (batch, 3, 384, 288)}
    outputs = {"simcc_x": (batch, 133, 576), "simcc_y": (batch, 133, 768)}
    return save(path, nodes, inputs, outputs, constants)


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with both networks under their published names."""
    folder = tmp_path_factory.mktemp("dwpose")
    detector_file(folder / "yolox_l.onnx")
    points_file(folder / "dw-ll_ucoco_384.onnx")
    return folder


Person = tuple[tuple[float, float], tuple[float, float], tuple[float, float]]
"""The centre of a person, its red dot and its green one, ``x, y`` in pixels."""


def painted(size: tuple[int, int], people: list[Person]) -> np.ndarray:
    """A grey picture with a blue square and two soft dots for each person."""
    height, width = size
    net = max(size) / 640  # pixels of the picture a pixel of the detector's
    canvas = np.full((height, width, 3), 128.0)
    for (x, y), red, green in people:
        half = round(10 * net)
        cv2.rectangle(
            canvas,
            (round(x) - half, round(y) - half),
            (round(x) + half, round(y) + half),
            (0, 0, 255),
            -1,
        )
        for (dot_x, dot_y), colour in ((red, (255, 0, 0)), (green, (0, 255, 0))):
            x0, y0 = (max(0, round(side - 12 * net)) for side in (dot_x, dot_y))
            part = canvas[y0 : round(dot_y + 12 * net), x0 : round(dot_x + 12 * net)]
            rows, columns = np.mgrid[: part.shape[0], : part.shape[1]]
            square = (columns + x0 - dot_x) ** 2 + (rows + y0 - dot_y) ** 2
            alpha = np.exp(-square / (2 * (2.5 * net) ** 2))[..., None]
            part[...] = part * (1 - alpha) + alpha * np.array(colour)
    return np.round(canvas).astype(np.uint8)
