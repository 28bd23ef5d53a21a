"""Engines: one module a backend behind one protocol."""
