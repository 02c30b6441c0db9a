"""Methods of the task."""
