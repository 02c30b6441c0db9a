"""Export of models: graphs, formats, quantization, and the comparison of files with the network."""
