"""What several agents share: training, checkpoints, curves, traces of the step."""
