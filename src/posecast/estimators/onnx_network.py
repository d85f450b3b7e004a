"""Runs ONNX networks on onnxruntime: devices, checks of inputs and outputs, batches."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32

from posecast.errors import InputError
from posecast.media.reading import check_regular

_PROVIDERS = {
    "cuda": "CUDAExecutionProvider",
    "mps": "CoreMLExecutionProvider",
    "cpu": "CPUExecutionProvider",
}
"""Device names as in torch to onnxruntime's providers; the best one first."""

_BATCH = 16
"""Batch size for a network that accepts any number of pictures."""


class OnnxNetwork:
    """A network with one picture input, whose inputs and outputs are checked on loading.

    `input_shape` is (channels, height, width); `output_shapes` are those of one picture's outputs,
    in the network's order.
    """

    def __init__(
        self,
        path: Path,
        input_shape: tuple[int, int, int],
        output_shapes: tuple[tuple[int, ...], ...],
        device: str | None = None,
    ) -> None:
        self._session = _open(path, device)
        inputs, outputs = self._session.get_inputs(), self._session.get_outputs()
        expected = (("input", inputs, (input_shape,)), ("output", outputs, output_shapes))
        for kind, found, shapes in expected:
            if [(value.type, tuple(value.shape[1:])) for value in found] != [
                ("tensor(float)", shape) for shape in shapes
            ]:
                have = ", ".join(f"{v.name} {v.type} {_times(v.shape)}" for v in found)
                want = ", ".join(f"tensor(float) {_times(('n', *shape))}" for shape in shapes)
                raise InputError.at(path, f"another network: {kind} {have}; expected {want}")
        self._input = inputs[0].name
        batch = inputs[0].shape[0]
        self._fixed = isinstance(batch, int)
        self.batch: int = batch if isinstance(batch, int) else _BATCH
        """Most pictures per `__call__`."""

    def __call__(
        self, pictures: Float32[np.ndarray, "pictures channels height width"]
    ) -> list[np.ndarray]:
        """The outputs of up to `batch` pictures, one array ``(pictures, ...)`` each."""
        count = len(pictures)
        if self._fixed and count < self.batch:
            pictures = np.pad(pictures, ((0, self.batch - count), (0, 0), (0, 0), (0, 0)))
        return [out[:count] for out in self._session.run(None, {self._input: pictures})]


def _open(path: Path, device: str | None) -> Any:
    """A session on the device; the CPU runs operations that the device lacks."""
    check_regular(path, "an ONNX network")
    try:
        import onnxruntime
    except ImportError:
        raise InputError(
            "pose estimation needs onnxruntime: pip install 'posecast[prepare]' (or "
            "onnxruntime-gpu for CUDA)"
        ) from None

    provider, options = _provider(device, onnxruntime.get_available_providers())
    settings = onnxruntime.SessionOptions()
    # only errors: its warnings about its own optimiser do not help users
    settings.log_severity_level = 3
    # The usual setting for numeric libraries' threads, which onnxruntime ignores.
    threads = os.environ.get("OMP_NUM_THREADS", "")
    settings.intra_op_num_threads = int(threads) if threads.isdigit() else 0
    try:
        providers = [(provider, options)]
        if provider != _PROVIDERS["cpu"]:
            providers.append((_PROVIDERS["cpu"], {}))
        session = onnxruntime.InferenceSession(str(path), settings, providers)
    except Exception as error:  # onnxruntime has a separate class for each status code
        reason = " ".join(str(error).split())
        raise InputError.at(path, f"not an ONNX network that can be loaded ({reason})") from error
    if device is not None and provider not in session.get_providers():
        raise InputError(f"device {device}: not available to onnxruntime on this machine; try cpu")
    return session


def _provider(device: str | None, available: list[str]) -> tuple[str, dict[str, str]]:
    if device is None:
        return next(provider for provider in _PROVIDERS.values() if provider in available), {}
    kind, _, number = device.partition(":")
    if kind not in _PROVIDERS or (number and not (kind == "cuda" and number.isdigit())):
        raise InputError(f"device {device!r}: expected cpu, cuda, cuda:1 or mps")
    if _PROVIDERS[kind] not in available:
        package = "onnxruntime-gpu" if kind == "cuda" else "onnxruntime on a Mac"
        raise InputError(f"device {device}: this onnxruntime has no {kind}; it needs {package}")
    return _PROVIDERS[kind], {"device_id": number} if number else {}


def _times(shape: Any) -> str:
    return "x".join(str(side) for side in shape)
