"""Covers of every kind: their elements, costs, surveys and files."""
