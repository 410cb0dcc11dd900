"""TIFF files at the level of bytes: other samples, and every tag as it was."""
