"""The four networks of the learned metrics, in plain torch, with the preprocessing of each.

`lpips`: `load(*files)`, then `distance` of pairs of frames. `inception`, `resnet3d` and `i3d`:
`load(file)`, then `prepare` frames and take `features` of them (of samples of 16 for the last two).
`weights` finds the published files, `checkpoint` reads them without running what is in them.
"""
