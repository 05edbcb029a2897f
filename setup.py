"""What is packaged; all else is in pyproject.toml.

The folders ``agents``, ``datasets`` and ``go_gym/cli/command`` are installed under other names,
which package discovery alone cannot say.
"""

from setuptools import find_packages, setup

AGENTS = [name.replace("agents", "go_agents", 1) for name in find_packages(include=["agents*"])]

OWN = find_packages(include=["go_gym*"], exclude=["go_gym.cli.command"])

setup(
    package_dir={
        "go_gym": "go_gym",
        "go_agents": "agents",
        "go_gym._datasets": "datasets",
        "go_gym_command": "go_gym/cli/command",
    },
    packages=[*OWN, *AGENTS, "go_gym._datasets", "go_gym_command"],
)
