"""Models of action recognition."""
