"""Models of the task."""
