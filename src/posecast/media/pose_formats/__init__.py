"""The pose file formats, one module each; `posecast.media.poses` recognises them by content."""
