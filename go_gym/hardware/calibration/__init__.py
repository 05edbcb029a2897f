"""The simulator against the machine: durations that it takes over, and how far off it is."""
