"""What `kopf run` loads: the handlers come in a registry."""
