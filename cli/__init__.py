"""The command lines: they parse, call and print; the work is done elsewhere."""
