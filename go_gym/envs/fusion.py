"""GO-Fusion-v0: a fusion level for every op, on a given placement."""

from pathlib import Path

from go_gym.catalogue.problems import GraphLike, PlacementLike
from go_gym.cluster import Cluster
from go_gym.envs.backends import Backend
from go_gym.envs.observer import Observer
from go_gym.envs.one_shot import OneShotEnv
from go_gym.envs.rewards import RewardLike
from go_gym.envs.room import RoomLike


class FusionEnv(OneShotEnv):
    """Say which ops of a computation graph become one kernel, and in which order they are fused.

    ## Description
    A kernel is launched once and reads and writes only what crosses its border. Ops are taken in
    order of their level, highest first, and each is fused with its consumers where that is legal;
    level 0 is not fused. What is legal, and what may be computed more than once, is said in
    ``go_gym.fusion.plan``; what a kernel costs in ``go_gym.fusion.costs``. Two elementwise ops
    are best fused, which a small case shows (10 ns of launch; 8 bytes at 1 byte a ns in or out):

    >>> import gymnasium as gym, go_gym
    >>> graph = go_gym.ComputationGraph.from_arrays(
    ...     "two", num_ops=2, tensors=[(0, 8), (1, 8)], uses=[(0, 1)], bytes_read=[8, 8],
    ...     bytes_written=[8, 8], op_types=["aten.exp", "aten.relu"],
    ... )
    >>> single = go_gym.Cluster.uniform(1, 1e9, memory_bandwidth=1e9, launch_overhead=1e-8)
    >>> env = gym.make("GO-Fusion-v0", graph=graph, cluster=single)
    >>> _ = env.reset(seed=0)
    >>> env.step([0, 0])[4]["step_time_ns"], env.reset() and env.step([1, 0])[4]["step_time_ns"]
    (52, 26)

    ## Action Space
    ``MultiDiscrete([levels] * ops)``: a fusion level for each op (or group, see ``groups``). With
    several graphs, ``ops`` is the largest one's count; entries beyond a graph's own are ignored.

    ## Observation Space
    A ``Dict`` of flat arrays: graph and devices as ``go_gym.envs.observations`` shows them to every
    task, and for ``o`` ops:

    | key | shape, dtype | meaning |
    | --- | --- | --- |
    | placement | (o,) int32 | the given placement |
    | fusion | (o,) int32 | the previous round's decision, -1 before the first |
    | round | (1,) int32 | rounds done |

    ## Starting State
    No decision yet. With several graphs, one is drawn uniformly at every reset.

    ## Rewards
    ``"go"``: −sqrt(step time / the default's), −10 if invalid (out of memory, or a co-location
    group torn apart). ``"speedup"``: the default's / step time, 0 if invalid.
    ``"improvement"``: (last valid − this step time) / the default's, −10 if invalid; before the
    first valid one the default's counts.

    ## Episode End
    Terminates after ``rounds`` decisions. Never truncates by itself.

    ## Information
    ``graph``, ``cluster``, ``baseline_ns`` (the step time of the framework's default, greedy by
    benefit, see ``go_gym.fusion.greedy``), ``best_step_time_ns`` (the best valid one of the
    episode, −1 before the first), and of the last step ``step_time_ns``, ``speedup``, ``valid``,
    ``reason``, ``peak_memory`` (d,), ``bytes_moved``; before the first step
    ``go_gym.envs.graph_env.UNDECIDED``. Deterministic; always the same keys and types.

    ## Arguments
    ``graph``: a name, split, family, file, folder, pattern, ``ComputationGraph``, or a list.
    ``cluster``: a preset, a TOML path, or a ``Cluster``.
    ``reward``: one of the above, a ``go_gym.envs.rewards.Reward``, or a function of problem,
    decision and result. ``rounds``: decisions an episode (GO's T).
    ``levels``: how many there are (20, as in one re-implementation of GO).
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

    ## References
    Zhou et al., Transferable Graph Optimizers for ML Compilers, NeurIPS 2020 (the task, the
    reward). XLA's priority fusion (the default).

    ## Version History
    v0: initial version.
    """

    task = "fusion"

    # Every environment writes its arguments out: gym.make, help() and its page show these.
    def __init__(
        self,
        graph: GraphLike = "rnnlm-2",
        cluster: str | Path | Cluster = "p100x2",
        reward: RewardLike = "go",
        rounds: int = 1,
        levels: int = 20,
        placement: PlacementLike = None,
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
            {"fusion": levels},
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
