"""Adapters that both homes use: pinned requests, gates over HTTP, the worst disagreements."""
