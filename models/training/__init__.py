"""Training: from labelled data to a run folder with checkpoints."""
