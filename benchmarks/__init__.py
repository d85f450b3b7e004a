"""What Posecast costs. A package of its own name, whatever else is installed."""
