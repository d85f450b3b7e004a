"""From raw videos to a dataset: each video is a separate task, in processes or on a cluster."""

from posecast.preparation.run import Summary, prepare
from posecast.preparation.settings import PrepareSettings
from posecast.preparation.sources import VideoSource, find_sources

__all__ = ["PrepareSettings", "Summary", "VideoSource", "find_sources", "prepare"]
