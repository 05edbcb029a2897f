"""What runs: a graph's program, its steps as functions of tensors, its kernels compiled."""
