"""Methods of semantic segmentation: one file each, with CARD and MODEL."""
