"""Robust mode: stegos that survive what messengers and websites do to a JPEG picture."""
