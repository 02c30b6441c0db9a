"""Evaluation: scores, baselines, conclusions, label issues."""
