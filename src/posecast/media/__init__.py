"""Reads and writes images, videos and pose files."""
