"""Running agents over problems; their results; going on after a stop."""
