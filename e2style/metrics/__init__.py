"""Metrics of reconstructions: of pairs, of sets of images, and their spread."""
