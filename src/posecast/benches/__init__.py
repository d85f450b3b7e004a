"""Benchmarks: they run models on clips, score the results and write tables."""
