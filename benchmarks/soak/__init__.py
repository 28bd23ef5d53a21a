"""A long run under mixed load: what grows, and what is answered otherwise than it should be."""
