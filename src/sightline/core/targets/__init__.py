"""Targets: one type for truth and for prediction (a prediction has scores). Arrays first.

A target object holds one image or many: the first axis is the image, indexing filters.
"""
