"""Object detection: dense detectors, label assignment, postprocessing, non-maximum suppression."""
