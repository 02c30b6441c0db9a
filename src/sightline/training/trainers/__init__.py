"""Learners: ways of training, one file each."""
