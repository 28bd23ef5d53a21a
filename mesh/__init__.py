"""Traffic: one intermediate representation, rendered for Istio and for Envoy."""
