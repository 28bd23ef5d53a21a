"""Routes on Kubernetes: written by server-side apply, read back, owned."""
