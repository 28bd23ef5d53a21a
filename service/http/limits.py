"""Limits of HTTP messages."""

MAX_BODY_BYTES = 1 << 20
