"""The experiments by name."""

from functools import cache

from go_gym.errors import GoGymError
from go_gym.reproduce.experiment import Experiment
from go_gym.reproduce.specification import FOLDER, read_specification


@cache
def experiments() -> tuple[str, ...]:
    """Names of the experiments, in alphabetical order."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.toml")))


@cache
def experiment_of(name: str) -> Experiment:
    """The experiment of that name, whole; raises GoGymError, naming those that there are."""
    if name not in experiments():
        raise GoGymError(f"no experiment {name!r}: expected one of {', '.join(experiments())}")
    return Experiment.whole(read_specification(FOLDER / f"{name}.toml"))
