"""The model pod: HTTP in, cache, batch, engine, answer out."""
