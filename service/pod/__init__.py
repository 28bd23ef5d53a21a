"""What a pod is, whatever the protocol: settings, a request's way, metrics, swaps."""
