"""The format of a model version on disk: manifest, digest, delta, resolution."""
