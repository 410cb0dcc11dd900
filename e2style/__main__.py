"""Command `e2style`, as `python -m e2style`."""

from cli.start import e2style

if __name__ == "__main__":
    e2style()
