"""What a rollout is, and what a verdict or an order makes of it. Pure."""
