"""Exports the planned cast in other systems' input formats: one module per system, and a table.

Poses are the plan's: assigned, fitted, ordered, smoothed. docs/export.md describes the formats and
says where each is documented.
"""

from __future__ import annotations

from posecast.export.scene import Form, Scene, plan_scene
from posecast.export.systems import SYSTEMS, System, write_export

__all__ = ["SYSTEMS", "Form", "Scene", "System", "plan_scene", "write_export"]
