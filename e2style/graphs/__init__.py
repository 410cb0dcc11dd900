"""Graphs of networks: their listing in a model file, and what runs them without torch."""
