"""What is packaged; all else is in pyproject.toml.

The folders ``agents`` and ``datasets`` are installed under other names, which package discovery
alone cannot say.
"""

from setuptools import find_packages, setup

AGENTS = [name.replace("agents", "go_agents", 1) for name in find_packages(include=["agents*"])]

setup(
    package_dir={"go_gym": "go_gym", "go_agents": "agents", "go_gym._datasets": "datasets"},
    packages=[*find_packages(include=["go_gym*"]), *AGENTS, "go_gym._datasets"],
)
