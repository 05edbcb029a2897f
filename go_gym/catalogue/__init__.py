"""The graphs that come with go_gym, the models they are captured from, synthetic ones."""
