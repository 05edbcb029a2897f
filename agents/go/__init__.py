"""GO (Zhou et al., "Transferable Graph Optimizers for ML Compilers", NeurIPS 2020)."""
