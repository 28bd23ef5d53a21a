"""Routes on one machine: Envoy's files, and proof from its statistics."""
