"""Reads weight files from untrusted sources as finite tensors of bounded size, running no code."""

from posecast.weights.places import find_weights, holds_weights, read_weights, weight_files
from posecast.weights.reading import PYTORCH, SAFETENSORS, check_finite, read_tensors

__all__ = [
    "PYTORCH",
    "SAFETENSORS",
    "check_finite",
    "find_weights",
    "holds_weights",
    "read_tensors",
    "read_weights",
    "weight_files",
]
