"""Speed of inference and of a training step, against straightforward implementations."""
