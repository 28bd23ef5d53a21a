"""The controller's ports over the Kubernetes API."""
