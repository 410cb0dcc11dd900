"""Training objectives, one class each; feature networks are handed in, never loaded here."""
