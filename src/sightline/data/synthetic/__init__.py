"""Synthetic data with exact targets."""
