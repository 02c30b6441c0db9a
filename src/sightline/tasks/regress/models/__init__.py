"""Regression methods, one file each."""
