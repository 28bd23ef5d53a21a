"""Protocols of other servers, so that their clients work: each maps to the tasks and back."""
