"""The commands: each parses and prints; the work is done elsewhere."""
