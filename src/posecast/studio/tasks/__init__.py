"""The tasks of worker processes. Each function takes a `Reporter` and plain arguments.

Only workers import this: the server itself reads no pictures and runs no networks.
"""

from posecast.studio.tasks.drivers import read_driver
from posecast.studio.tasks.people import find_mask, find_people
from posecast.studio.tasks.previews import condition_maps, preview
from posecast.studio.tasks.videos import encode, export, make

__all__ = [
    "condition_maps",
    "encode",
    "export",
    "find_mask",
    "find_people",
    "make",
    "preview",
    "read_driver",
]
