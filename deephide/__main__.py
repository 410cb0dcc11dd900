"""Command `deephide`, as `python -m deephide`."""

from cli.start import deephide

if __name__ == "__main__":
    deephide()
