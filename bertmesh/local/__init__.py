"""The local mesh: Envoy, Redis, Prometheus, pods and the controller as child processes."""
