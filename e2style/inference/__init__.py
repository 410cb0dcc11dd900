"""Inference behind one interface, whatever runs the networks."""
