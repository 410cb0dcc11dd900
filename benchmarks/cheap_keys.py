"""Argon2id at its least, for benchmarks of anything but keys: it changes nothing else."""

from deephide.container import crypto


def cheap_keys():
    """Take the least memory, one pass and one lane, in this process."""
    crypto.ARGON2_MEMORY_KIB, crypto.ARGON2_ITERATIONS, crypto.ARGON2_LANES = 32, 1, 1
