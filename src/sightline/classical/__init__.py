"""Classical computer vision for baselines: hand-crafted features, sliding windows, linear models on cells."""
