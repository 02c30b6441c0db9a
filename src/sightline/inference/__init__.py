"""Inference: predictors, sources of images, filters of predictions, writers."""
