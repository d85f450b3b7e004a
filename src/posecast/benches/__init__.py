"""Benches: what runs a model on clips, and scores and tabulates what comes out."""
