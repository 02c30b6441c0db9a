"""Ways to find objects and their pixels: one file each."""
