"""GO-Joint-v0: fusion, placement and scheduling of every op, in one decision."""

from pathlib import Path

from go_gym.catalogue.problems import GraphLike
from go_gym.cluster import Cluster
from go_gym.envs.backends import Backend
from go_gym.envs.observer import Observer
from go_gym.envs.one_shot import OneShotEnv, urgency
from go_gym.envs.rewards import RewardLike
from go_gym.envs.room import RoomLike


class JointEnv(OneShotEnv):
    """Fuse, place and schedule every op of a computation graph.

    ## Description
    All three decisions of the other environments at once, in GO's order: ops are fused by their
    levels (only with ops on the same device: fusion across devices is not legal), a kernel runs
    where its ops are placed, and each device runs its ready kernel of the highest priority first.
    A kernel has the highest of its ops' priorities. In a small case one device and one kernel
    are best (10 ns of launch; 8 bytes at 1 byte a ns in or out, or from device to device):

    >>> import gymnasium as gym, go_gym
    >>> graph = go_gym.ComputationGraph.from_arrays(
    ...     "two", num_ops=2, tensors=[(0, 8), (1, 8)], uses=[(0, 1)], bytes_read=[8, 8],
    ...     bytes_written=[8, 8], op_types=["aten.exp", "aten.relu"],
    ... )
    >>> pair = go_gym.Cluster.uniform(2, 1e9, memory_bandwidth=1e9, launch_overhead=1e-8)
    >>> env = gym.make("GO-Joint-v0", graph=graph, cluster=pair, rounds=3)
    >>> _ = env.reset(seed=0)
    >>> fused, apart, split = [1, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0], [1, 0, 0, 1, 0, 0]
    >>> [env.step(action)[4]["step_time_ns"] for action in (fused, apart, split)]
    [26, 52, 60]

    ## Action Space
    ``MultiDiscrete([fusion_levels] * ops + [devices] * ops + [levels] * ops)``: a fusion level, a
    device and a priority for each op (or group, see ``groups``). With several graphs, ``ops`` is
    the largest one's count; entries beyond a graph's own are ignored.

    ## Observation Space
    A ``Dict`` of flat arrays: graph and devices as ``go_gym.envs.observations`` shows them to every
    task, and for ``o`` ops:

    | key | shape, dtype | meaning |
    | --- | --- | --- |
    | fusion | (o,) int32 | the previous round's decision, -1 before the first |
    | placement | (o,) int32 | likewise |
    | priority | (o,) int32 | likewise; with ``decides="order"`` it is ``order``, as ranks |
    | round | (1,) int32 | rounds done |

    ## Starting State
    No decision yet. With several graphs, one is drawn uniformly at every reset.

    ## Rewards
    ``"go"``: −sqrt(step time / the default's), −10 if invalid (out of memory, a co-location
    group torn apart, or an order that can never proceed). ``"speedup"``: the default's / step time,
    0 if invalid. ``"improvement"``: (last valid − this step time) / the default's, −10 if invalid;
    before the first valid one the default's counts.

    ## Episode End
    Terminates after ``rounds`` decisions. Never truncates by itself.

    ## Information
    ``graph``, ``cluster``, ``baseline_ns`` (that of the framework's default: a single device where
    the step fits, else METIS; first in, first out; greedy fusion), ``best_step_time_ns`` (the best
    valid one of the episode, −1 before the first), and of the last step ``step_time_ns``,
    ``speedup``, ``valid``, ``reason``, ``peak_memory`` (d,), ``bytes_moved``; before the first step
    ``go_gym.envs.graph_env.UNDECIDED``. Deterministic; always the same keys and types.

    ## Arguments
    ``graph``: a name, split, family, file, folder, pattern, ``ComputationGraph``, or a list.
    ``cluster``: a preset, a TOML path, or a ``Cluster``.
    ``reward``: one of the above, a ``go_gym.envs.rewards.Reward``, or a function of problem,
    decision and result. ``rounds``: decisions an episode (GO's T).
    ``levels``, ``fusion_levels``: how many priorities (our choice: 8) and fusion levels there are
    (20, as in one re-implementation of GO).
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
    Zhou et al., Transferable Graph Optimizers for ML Compilers, NeurIPS 2020 (the task, its order,
    the reward).

    ## Version History
    v0: initial version.
    """

    task = "joint"

    # Every environment writes its arguments out: gym.make, help() and its page show these.
    def __init__(
        self,
        graph: GraphLike = "rnnlm-2",
        cluster: str | Path | Cluster = "p100x2",
        reward: RewardLike = "go",
        rounds: int = 1,
        levels: int = 8,
        fusion_levels: int = 20,
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
            {"fusion": fusion_levels, "placement": None, urgency(decides): levels},
            reward,
            rounds,
            backend,
            render_mode,
            groups,
            room,
            infos,
            observe,
        )
