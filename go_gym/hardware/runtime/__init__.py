"""How it runs: a worker a device, the order of its ops, and the tensors that travel."""
