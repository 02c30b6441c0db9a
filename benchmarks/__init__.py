"""Measurements, each a script. A package, since one of this name in an environment would be taken for it."""
