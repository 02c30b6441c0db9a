"""Core contracts: data set, batch, targets, task, model, metric, predictor, run."""
