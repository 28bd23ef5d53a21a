"""Loading a model, and the two places for models in a pod."""
