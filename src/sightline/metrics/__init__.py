"""Metrics: one file each, with a class METRIC; intervals and paired comparison over all of them."""
