"""Training presets as TOML files, one for each phase."""
