"""What can be measured of a video: pure functions first, accumulators over folders second."""
