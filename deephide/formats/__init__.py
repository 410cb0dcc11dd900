"""Image files as bytes and samples; nothing here knows of hiding."""
