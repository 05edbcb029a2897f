"""Search by simulator calls: annealing, cross-entropy, BRKGA."""
