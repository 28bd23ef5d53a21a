"""`make run`: four rollouts under real traffic on one machine, and what came of them."""
