"""Boards as a static site: what pages show, how they look, and the files that they are."""

from go_gym.site.write import write_site

__all__ = ["write_site"]
