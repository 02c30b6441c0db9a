"""Training: plan, trainers, callbacks, checkpoints."""
