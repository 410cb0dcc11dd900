"""Codecs between a secret and the bytes of a payload: one codec, one file."""
