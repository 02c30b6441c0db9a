"""Networks that know nothing of tasks: backbones, layers, weights."""
