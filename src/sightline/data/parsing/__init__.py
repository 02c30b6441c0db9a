"""Helpers that several data formats share."""
