"""`python -m posecast` is the `posecast` program."""

from __future__ import annotations

from posecast.cli import main

main()
