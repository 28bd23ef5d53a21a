"""Gunicorn's configuration for a pod, and its worker."""
