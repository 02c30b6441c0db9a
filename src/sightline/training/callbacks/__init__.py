"""Training callbacks, one file each."""
