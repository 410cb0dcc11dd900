"""Speed of inference and of a training step, against the straightforward way."""
