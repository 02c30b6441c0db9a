"""Ways to predict numbers: one file each."""
