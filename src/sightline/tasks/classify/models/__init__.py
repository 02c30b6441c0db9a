"""Classification methods, one file each."""
