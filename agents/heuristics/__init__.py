"""Rules: placements, schedules and fusions without a search."""
