"""Pure functions on arrays and tensors: boxes, masks, run-length codes, tiles, drawing."""
