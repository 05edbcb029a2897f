"""GO as published: PPO over decisions of the whole graph."""
