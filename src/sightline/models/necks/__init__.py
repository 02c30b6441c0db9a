"""Necks: modules that combine the feature maps of a backbone, one file each."""
