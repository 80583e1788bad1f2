"""The loss as a landscape: what it looks like around a model, between two, and along a training."""
