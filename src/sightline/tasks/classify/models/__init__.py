"""Ways to classify: one file each."""
