"""Weight files: ours, official ones, a user's, read without running code."""
