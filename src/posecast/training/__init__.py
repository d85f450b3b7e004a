"""Training: a run is a config, a stage is a `Task`, one loop runs them all."""
