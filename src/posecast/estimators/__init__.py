"""What pictures show, estimated: whole-body poses, optical flow, relative depth.

One small interface each (`pose`, `flow`, `depth`), one file a backend. Arrays in, arrays out;
networks are imported and loaded when an estimator is made, never before, and their weights are
found in a folder or downloaded to the user's cache then (`posecast.media.download`).
"""
