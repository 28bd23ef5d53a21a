"""What people and programs see of a rollout. Pure."""
