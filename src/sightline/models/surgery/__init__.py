"""Changes of trained networks: structured pruning, and the dependency graph of channels behind it."""
