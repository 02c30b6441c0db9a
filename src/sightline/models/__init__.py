"""Networks, independent of tasks: backbones, necks, heads, layers, detection, weights, pruning."""
