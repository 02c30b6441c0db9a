"""Kinds, tasks and ways of training, each in a folder of its own; nothing else is edited for them."""
