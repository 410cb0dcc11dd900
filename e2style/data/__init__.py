"""Images for training and evaluation; nothing here knows devices."""
