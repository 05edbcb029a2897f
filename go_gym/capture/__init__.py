"""Front ends that make a ComputationGraph from a real program. They import torch when called."""
