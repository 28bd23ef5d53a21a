"""`bertmesh rollout ...`: start a canary, follow it, give it orders, ask why."""
