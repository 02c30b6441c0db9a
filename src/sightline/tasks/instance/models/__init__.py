"""Instance segmentation methods, one file each."""
