"""Pure array functions: skeletons, drawing, condition maps, framing, assignment.

No I/O, no model, no device: numpy arrays in, numpy arrays out.
"""
