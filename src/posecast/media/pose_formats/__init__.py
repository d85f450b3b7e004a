"""The pose file formats, one file each; `posecast.media.poses` tells them apart by content."""
