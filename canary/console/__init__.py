"""The rollout console: one web page over what the controller has stored."""
