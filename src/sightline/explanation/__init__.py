"""Explanations: which part of an image a prediction rests on, and how far the explanation can be trusted."""
