"""The metrics port over Prometheus."""
