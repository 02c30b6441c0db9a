"""Detection methods, one file each."""
