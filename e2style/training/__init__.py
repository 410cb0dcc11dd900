"""Training: one flat loop, its state, its log."""
