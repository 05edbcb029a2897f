"""The models that the datasets are captured from, a file a family."""
