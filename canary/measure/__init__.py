"""Cumulative counters in, counts of one interval out. Pure."""
