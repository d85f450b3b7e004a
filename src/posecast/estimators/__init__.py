"""Estimators of what pictures show: whole-body poses, masks, optical flow, relative depth.

Poses, flow and depth have one small interface each (`pose`, `flow`, `depth`) and one module per
backend. They map arrays to arrays. Networks are imported and loaded only when an estimator is made;
their weights are then found in a folder or downloaded to the user's cache
(`posecast.media.download`).
"""
