"""Seeded training graphs of any size, built as real ones are: for pre-training and scale."""

from go_gym.catalogue.synthetic.generate import KINDS, SYNTHETIC, generate, generate_named

__all__ = ["KINDS", "SYNTHETIC", "generate", "generate_named"]
