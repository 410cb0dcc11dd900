"""PNG files, rewritten as their own encoder would have written them."""
