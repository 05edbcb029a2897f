"""A reward and an observation of a user's own, in a module, as spawned workers need them."""

import numpy as np
from gymnasium import spaces

from go_gym.envs.observer import Observer


def spread(problem, decision, result):
    """How many ops are off device 0, less a thousandth of the step time."""
    assert problem.num_ops == len(decision.placement)
    return np.count_nonzero(np.asarray(decision.placement)) - result.step_time_ns / 1000


def shown(view):
    """Step time over the ops' sum, and how many decisions' ops are off device 0."""
    if view.result is None:
        return np.zeros(2, np.float32)
    total = view.problem.mean_durations.sum()
    off = np.count_nonzero(np.asarray(view.decision.placement)) / view.problem.num_ops
    return np.array([view.result.step_time_ns / total / 10, off], np.float32)


OBSERVER = Observer(spaces.Box(0, 1, (2,), np.float32), shown)
