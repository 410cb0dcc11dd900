"""Hidden container as docs/format.md specifies it: layout, keys, seal, keyed order, zones."""
