"""Methods of the toy."""
