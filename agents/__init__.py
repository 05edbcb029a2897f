"""Baseline agents, imported as ``go_agents``; each folder can be read alone."""
