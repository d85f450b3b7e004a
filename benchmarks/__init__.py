"""Benchmarks of Posecast's speed and memory."""
