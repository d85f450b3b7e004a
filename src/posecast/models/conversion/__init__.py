"""Public weights as model folders: AnimateAnyone's, and Stable Diffusion 1.5's to train from."""
