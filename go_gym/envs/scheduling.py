"""GO-Scheduling-v0: a priority for every op, on a given placement."""

from pathlib import Path

from go_gym.catalogue.problems import GraphLike, PlacementLike
from go_gym.cluster import Cluster
from go_gym.envs.backends import Backend
from go_gym.envs.observer import Observer
from go_gym.envs.one_shot import OneShotEnv, urgency
from go_gym.envs.rewards import RewardLike
from go_gym.envs.room import RoomLike


class SchedulingEnv(OneShotEnv):
    """Say how urgent every op of a computation graph is, on a given placement.

    ## Description
    Each device runs one op at a time. When several are ready, the one of the highest priority
    runs first, among equals the one that was ready first. The framework's default, which the agent
    is to beat, knows no priorities: first in, first out. Letting the op go first that another
    device waits for is best, which a small case shows (10 ns of own work, and 4 + 1 + 10 ns that
    the other device can begin after 4 + 1):

    >>> import gymnasium as gym, go_gym
    >>> graph = go_gym.ComputationGraph.from_costs([10, 4, 10], [(1, 1)], [(0, 2)])
    >>> pair = go_gym.Cluster.uniform(devices=2, bandwidth=1e9)
    >>> env = gym.make(
    ...     "GO-Scheduling-v0", graph=graph, cluster=pair, placement=[0, 0, 1], rounds=2
    ... )
    >>> _ = env.reset(seed=0)
    >>> [env.step(action)[4]["step_time_ns"] for action in ([0, 0, 0], [0, 1, 0])]
    [25, 15]

    ## Action Space
    ``MultiDiscrete([levels] * ops)``: a priority for each op (or group, see ``groups``); the
    highest runs first. With several graphs, ``ops`` is the largest one's count; entries beyond a
    graph's own are ignored.

    ## Observation Space
    A ``Dict`` of flat arrays: graph and devices as ``go_gym.envs.observations`` shows them to every
    task, and for ``o`` ops:

    | key | shape, dtype | meaning |
    | --- | --- | --- |
    | placement | (o,) int32 | the given placement |
    | priority | (o,) int32 | the last round's decision, -1 before; or ``order``, as ranks |
    | round | (1,) int32 | rounds done |

    ## Starting State
    No decision yet. With several graphs, one is drawn uniformly at every reset.

    ## Rewards
    ``"go"``: −sqrt(step time / FIFO's), −10 if invalid (out of memory, a co-location
    group torn apart, or an order that can never proceed). ``"speedup"``: FIFO's / step time, 0
    if invalid. ``"improvement"``: (last valid − this step time) / FIFO's, −10 if invalid; before
    the first valid one FIFO's counts.

    ## Episode End
    Terminates after ``rounds`` decisions. Never truncates by itself.

    ## Information
    ``graph``, ``cluster``, ``baseline_ns`` (FIFO's step time), ``best_step_time_ns`` (the best
    valid one of the episode, −1 before the first), and of the last step ``step_time_ns``,
    ``speedup``, ``valid``, ``reason``, ``peak_memory`` (d,), ``bytes_moved``; before the first step
    ``go_gym.envs.graph_env.UNDECIDED``. Deterministic; always the same keys and types.

    ## Arguments
    ``graph``: a name, split, family, file, folder, pattern, ``ComputationGraph``, or a list.
    ``cluster``: a preset, a TOML path, or a ``Cluster``.
    ``reward``: one of the above, a ``go_gym.envs.rewards.Reward``, or a function of problem,
    decision and result. ``rounds``: decisions an episode (GO's T).
    ``levels``: how many priorities there are (our choice: 8; GO says "a few discrete levels").
    ``placement``: devices (one graph), or a function from a Problem to devices, such as those of
    ``go_gym.baselines.placements``; None for the human expert's.
    ``groups``: None, or at most how many groups of ops are decided about instead of ops; the
    observation then has a row a group (``go_gym.partitions.bounded.bounded_partition``).
    ``backend``: ``"simulator"``, ``"hardware"``, or a ``go_gym.envs.backends.Backend``.
    ``room``: None, or what the spaces have room for, the same for every environment with the same
    ``room`` and cluster: other graphs (as ``graph``), or (units, edges).
    ``infos``: ``"all"``, or ``"numbers"``: without texts.
    ``observe``: None, or a ``go_gym.envs.observer.Observer``: what is shown instead of the Dict.
    ``render_mode``: None, ``"ansi"`` or ``"rgb_array"``.
    ``decides``: ``"priority"``, or ``"order"``: levels then give a strict order, the highest first
    and equal ones in topological order, and each device waits for its next op.

    ## References
    Zhou et al., Transferable Graph Optimizers for ML Compilers, NeurIPS 2020 (the task, the
    reward). Topcuoglu et al. 2002 (list scheduling by upward rank, a strong rule).

    ## Version History
    v0: initial version.
    """

    task = "scheduling"

    # Every environment writes its arguments out: gym.make, help() and its page show these.
    def __init__(
        self,
        graph: GraphLike = "rnnlm-2",
        cluster: str | Path | Cluster = "p100x2",
        reward: RewardLike = "go",
        rounds: int = 1,
        levels: int = 8,
        placement: PlacementLike = None,
        backend: str | Backend = "simulator",
        render_mode: str | None = None,
        groups: int | None = None,
        room: RoomLike = None,
        infos: str = "all",
        observe: Observer | None = None,
        decides: str = "priority",
    ) -> None:
        super().__init__(
            graph,
            cluster,
            {urgency(decides): levels},
            reward,
            rounds,
            backend,
            render_mode,
            groups,
            room,
            infos,
            observe,
            placement,
        )
