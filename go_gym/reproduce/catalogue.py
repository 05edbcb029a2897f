"""The experiments by name."""

from go_gym.errors import GoGymError
from go_gym.reproduce.experiment import Experiment
from go_gym.reproduce.figures import ABLATION, FIG5, FIG6
from go_gym.reproduce.table2 import TABLE2
from go_gym.reproduce.table3 import TABLE3

EXPERIMENTS = {each.name: each for each in (TABLE2, TABLE3, FIG5, FIG6, ABLATION)}


def experiment_of(name: str) -> Experiment:
    """The experiment of that name; raises GoGymError, naming those that there are."""
    if name not in EXPERIMENTS:
        raise GoGymError(f"no experiment {name!r}: expected one of {', '.join(EXPERIMENTS)}")
    return EXPERIMENTS[name]
