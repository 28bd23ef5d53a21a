"""The controller on Kubernetes: ModelRollouts in, routes and pods out, with the same core as everywhere."""
