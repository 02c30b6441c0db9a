"""Commands, one light file each: the signature and docstring of its function declare all of it."""
