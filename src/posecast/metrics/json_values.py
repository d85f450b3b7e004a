"""Scores as JSON values: JSON has no NaN and no infinity."""

from __future__ import annotations

import math
from typing import Any


def json_values(value: Any) -> Any:
    """The same with NaN (nothing to measure) as null and infinity as the string "inf"."""
    if isinstance(value, dict):
        return {key: json_values(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [json_values(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else ("inf" if value > 0 else "-inf")
    return value
