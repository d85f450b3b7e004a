"""What can be measured of a clip: array functions first, the bench that applies them second."""
