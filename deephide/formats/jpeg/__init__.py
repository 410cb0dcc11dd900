"""A lossless codec of JPEG files: coefficients out and in again, and nothing else changed."""
