"""Gunicorn's configuration for a pod, and what it needs beside."""
