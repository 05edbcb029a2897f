"""GO-Placement-v0: a device for every op, all at once."""

from pathlib import Path

from go_gym.catalogue.problems import GraphLike
from go_gym.cluster import Cluster
from go_gym.envs.backends import Backend
from go_gym.envs.observer import Observer
from go_gym.envs.one_shot import OneShotEnv
from go_gym.envs.rewards import RewardLike
from go_gym.envs.room import RoomLike


class PlacementEnv(OneShotEnv):
    """Place every op of a computation graph on a device.

    ## Description
    One training step of a real model is a graph of thousands of ops. The agent says on which
    device of a cluster each op runs; an exact event-driven simulator says how long the step takes.
    A chain of ops is best left on one device, which a small case shows:

    >>> import gymnasium as gym, go_gym
    >>> chain = go_gym.ComputationGraph.from_costs([5, 5], [(0, 9)], [(0, 1)])
    >>> pair = go_gym.Cluster.uniform(devices=2, bandwidth=1e9)
    >>> env = gym.make("GO-Placement-v0", graph=chain, cluster=pair, reward="speedup")
    >>> _ = env.reset(seed=0)
    >>> env.step([0, 1])[4]["step_time_ns"], env.reset() and env.step([1, 1])[4]["step_time_ns"]
    (19, 10)

    ## Action Space
    ``MultiDiscrete([devices] * ops)``: a device number for each op (or group, see ``groups``).
    With several graphs, ``ops`` is the largest one's count; entries beyond a graph's own are
    ignored.

    ## Observation Space
    A ``Dict`` of flat arrays: graph and devices as ``go_gym.envs.observations`` shows them to every
    task, and for ``o`` ops:

    | key | shape, dtype | meaning |
    | --- | --- | --- |
    | placement | (o,) int32 | the previous round's decision, -1 before the first |
    | round | (1,) int32 | rounds done |

    ## Starting State
    No decision yet. With several graphs, one is drawn uniformly at every reset.

    ## Rewards
    ``"go"``: −sqrt(step time / the human expert's), −10 if invalid (out of memory, or a
    co-location group torn apart). ``"speedup"``: the expert's step time / step time, 0 if invalid.
    ``"improvement"``: (last valid − this step time) / the expert's, −10 if invalid; before the
    first valid one the expert's counts.

    ## Episode End
    Terminates after ``rounds`` decisions. Never truncates by itself.

    ## Information
    ``graph``, ``cluster``, ``baseline_ns`` (the expert's step time), ``best_step_time_ns`` (the
    best valid one of the episode, −1 before the first), and of the last step ``step_time_ns``,
    ``speedup`` (0 if invalid), ``valid``, ``reason``, ``peak_memory`` (d,), ``bytes_moved``; before
    the first step ``go_gym.envs.graph_env.UNDECIDED``. Deterministic; always the same keys and
    types.

    ## Arguments
    ``graph``: a name, split, family, file, folder, pattern, ``ComputationGraph``, or a list.
    ``cluster``: a preset, a TOML path, or a ``Cluster``.
    ``reward``: one of the above, a ``go_gym.envs.rewards.Reward``, or a function of problem,
    decision and result. ``rounds``: decisions an episode (GO's T).
    ``groups``: None, or at most how many groups of ops are decided about instead of ops; the
    observation then has a row a group (``go_gym.partitions.bounded.bounded_partition``).
    ``backend``: ``"simulator"``, ``"hardware"``, or a ``go_gym.envs.backends.Backend``.
    ``room``: None, or what the spaces have room for, the same for every environment with the same
    ``room`` and cluster: other graphs (as ``graph``), or (units, edges).
    ``infos``: ``"all"``, or ``"numbers"``: without texts.
    ``observe``: None, or a ``go_gym.envs.observer.Observer``: what is shown instead of the Dict.
    ``render_mode``: None, ``"ansi"`` or ``"rgb_array"``.

    ## References
    Zhou et al., Transferable Graph Optimizers for ML Compilers, NeurIPS 2020 (the task, the
    reward). Addanki et al., Placeto, NeurIPS 2019 (``"improvement"``).

    ## Version History
    v0: initial version.
    """

    task = "placement"

    # Every environment writes its arguments out: gym.make, help() and its page show these.
    def __init__(
        self,
        graph: GraphLike = "rnnlm-2",
        cluster: str | Path | Cluster = "p100x2",
        reward: RewardLike = "go",
        rounds: int = 1,
        backend: str | Backend = "simulator",
        render_mode: str | None = None,
        groups: int | None = None,
        room: RoomLike = None,
        infos: str = "all",
        observe: Observer | None = None,
    ) -> None:
        super().__init__(
            graph,
            cluster,
            {"placement": None},
            reward,
            rounds,
            backend,
            render_mode,
            groups,
            room,
            infos,
            observe,
        )
