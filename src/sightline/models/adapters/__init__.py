"""Adapters: networks of other libraries (torchvision) behind the interfaces of this package."""
