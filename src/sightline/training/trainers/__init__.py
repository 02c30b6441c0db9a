"""Trainers: ways of training, one file each."""
