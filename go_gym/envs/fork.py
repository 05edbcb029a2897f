"""Copies of running environments, wrappers and their counters included."""

import copy
from typing import TypeVar

import gymnasium

from go_gym.envs.graph_env import GraphEnv
from go_gym.envs.vector import GraphVectorEnv
from go_gym.errors import GoGymError

E = TypeVar("E", bound="gymnasium.Env | gymnasium.vector.VectorEnv")


def fork(env: E) -> E:
    """A copy of an environment that goes on from where ``env`` is, apart from it.

    All wrappers are copied with what they hold: TimeLimit's count, the sums of
    RecordEpisodeStatistics, the scales of RewardPerGraph. The episode and the generators are
    copied; what never changes (problems, units) is shared, and so is the backend: calls of a
    fork count on the same Budget, and are measured by the same processes. ``env`` may be native
    vectorized as well.

    ``GraphEnv.get_state`` is less: the episode and its generator, without any wrapper's counters.

    Raises:
        GoGymError: for an environment of others, and where a wrapper cannot be copied, such as
            one that holds a window or an open file.
    """
    inner = env.unwrapped
    single = inner.env if isinstance(inner, GraphVectorEnv) else inner
    if not isinstance(single, GraphEnv):
        raise GoGymError(f"{env}: expected a go_gym environment or a native vector one")
    shared = [single.backend, single.reward, single.observe, inner.spec]
    shared += [*single.problems, *single.units, *single.shared_arrays]
    if isinstance(inner, GraphVectorEnv):
        shared += inner.shared_arrays
    try:
        return copy.deepcopy(env, {id(each): each for each in shared})
    except (TypeError, NotImplementedError, AttributeError) as error:
        raise GoGymError(f"{env}: a wrapper of it cannot be copied: {error}") from error
