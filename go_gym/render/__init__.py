"""Pictures and traces of a simulated step."""
