"""The Gymnasium environments. Ids are registered by ``import go_gym``."""
