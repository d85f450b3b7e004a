"""The planned cast in other systems' own input formats: a file a system, a table of them.

Poses come as the plan has them: assigned, fitted, ordered, smoothed. The formats and where each is
documented are in docs/export.md.
"""

from __future__ import annotations

from posecast.export.scene import Form, Scene, plan_scene
from posecast.export.systems import SYSTEMS, System, write_export

__all__ = ["SYSTEMS", "Form", "Scene", "System", "plan_scene", "write_export"]
