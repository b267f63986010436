"""What the tree may look like: imports, sizes, names, one row per error and rpc."""
