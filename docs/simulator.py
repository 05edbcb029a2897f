# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
# ---

# %% [markdown]
# # The simulator's rules
#
# A device runs one op at a time. A tensor that another device needs is sent there once, while both
# go on computing. Time is whole nanoseconds, so that every machine gives the same bits. This page
# is run when it is built: each picture below is what the simulator answers today. The
# specification is `go_gym/simulator/reference.py`, plain Python; the Numba engine equals it in
# every field.

# %%
# %matplotlib inline
import go_gym
from go_gym.render.gantt import gantt


def simulate(graph, cluster, placement, **decided):
    problem = go_gym.Problem(graph, cluster)
    decision = go_gym.Decision(placement=placement, **decided)
    result = go_gym.simulate(problem, decision, trace=True)
    print(f"{result.step_time_ns / 1e6:g} ms", "" if result.valid else result.reason)
    return gantt(problem, decision, result)


ms = 1_000_000  # ns

# %% [markdown]
# ## Ops, tensors, transfers
#
# `a` makes 4 MB that `b` and `c` use. `c` runs on the other device, to which 1 GB/s take 4 ms.
# Above the line of a device stands what it computes, below it what it sends.

# %%
graph = go_gym.ComputationGraph.from_costs(
    durations=[4 * ms, 4 * ms, 4 * ms],
    tensors=[(0, 4_000_000)],
    uses=[(0, 1), (0, 2)],
    names=["a", "b", "c"],
)
cluster = go_gym.Cluster.uniform(devices=2, bandwidth=1e9)
simulate(graph, cluster, [0, 0, 1])

# %% [markdown]
# Two users on the other device do not make a second transfer; a transfer takes its link's latency
# and its bytes over the link's bandwidth, rounded up to a nanosecond.
#
# ## Which op runs first
#
# An idle device starts, of the ops whose inputs are all there, the one of the highest priority;
# among equals the one that was ready first, then the one of the smaller number. Without priorities
# that is first in, first out. It never waits for an op that is not ready.

# %%
graph = go_gym.ComputationGraph.from_costs(
    durations=[2 * ms, 2 * ms, 2 * ms, 6 * ms],
    tensors=[(2, 8)],
    uses=[(0, 3)],
    names=["a", "b", "c", "after c"],
)
cluster = go_gym.Cluster.uniform(devices=2, bandwidth=1e9)
simulate(graph, cluster, [0, 0, 0, 1])

# %% [markdown]
# `c` has the longest way to the end. Let it go first:

# %%
simulate(graph, cluster, [0, 0, 0, 1], priority=[0, 0, 1, 0])

# %% [markdown]
# ## A strict order
#
# A decision may give an order instead of priorities: a rank for each op, by which each device runs
# its ops one after another. It then waits for its next op, even where another is ready. That can
# be worth it: here the first device waits for `b`, and the step takes 7 ms; without waiting it
# starts `c` and takes 10.

# %%
graph = go_gym.ComputationGraph.from_costs(
    durations=[1 * ms, 2 * ms, 4 * ms, 4 * ms],
    tensors=[(0, 8), (1, 8)],
    uses=[(0, 1), (1, 3)],
    names=["a", "b", "c", "after b"],
)
simulate(graph, cluster, [1, 0, 0, 1])

# %%
simulate(graph, cluster, [1, 0, 0, 1], order=[0, 1, 2, 3])

# %% [markdown]
# The order of a trace, given back, gives the trace again. An order in which ops wait for each other
# can never proceed; the result is invalid and names them.

# %%
simulate(graph, cluster, [1, 0, 0, 1], order=[1, 2, 3, 0])

# %% [markdown]
# ## What a transfer occupies
#
# The cluster's contention model says which transfers wait for each other; queues are first come,
# first served.
#
# | model | a transfer occupies |
# | --- | --- |
# | `none` | nothing |
# | `link` | the link from its source to its destination |
# | `egress` | its source's port; to several destinations it goes at once, as a broadcast |
# | `duplex` | its source's port out and its destination's port in |

# %%
graph = go_gym.ComputationGraph.from_costs(
    durations=[ms, ms, ms, ms],
    tensors=[(0, 2_000_000), (0, 2_000_000)],
    uses=[(0, 1), (1, 2), (0, 3)],
    names=["a", "b", "c", "d"],
)
free = go_gym.Cluster.uniform(devices=3, bandwidth=1e9, contention="none")
simulate(graph, free, [0, 1, 2, 1])

# %% [markdown]
# Both of `a`'s tensors go to the second device at once. Where ports are occupied, one waits:

# %%
ports = go_gym.Cluster.uniform(devices=3, bandwidth=1e9, contention="duplex")
simulate(graph, ports, [0, 1, 2, 1])

# %% [markdown]
# ## One moment
#
# At each time at which something happens there are two phases. First all that ends now ends:
# memory is freed, tensors are requested, ops become ready. What takes no time queues for nothing
# and belongs to this phase until nothing more of it happens: views, parameters, inputs and
# transfers of 0 ns. Then idle devices and free ports start the heads of their queues, and memory
# is allocated. The order within a phase changes nothing.
#
# ## Memory
#
# A device holds the parameters of its ops from the first moment, every output from its producer's
# start until its last use there (and until it is sent), a copy from its transfer's start until its
# last use, and to the end what outlives the step. Views cost nothing and keep what they view. A
# decision under which a device ever holds more than it has is invalid, and its result says when
# and where.

# %%
graph = go_gym.ComputationGraph.from_costs(
    durations=[ms, ms, ms],
    tensors=[(0, 600), (1, 600)],
    uses=[(0, 1), (1, 2)],
    names=["a", "b", "c"],
)
cluster = go_gym.Cluster.uniform(devices=1, bandwidth=1e9, memory=1000)
simulate(graph, cluster, [0, 0, 0])

# %% [markdown]
# ## Fusion
#
# A fusion decision ranks ops. Those above 0 are fused with their consumers where that is legal,
# the highest first: no cycle among kernels, kinds of ops that compilers fuse, one device
# (`go_gym/fusion/`). A kernel runs as one op: one launch, and what stays inside it is neither
# written nor read. The step is then simulated on the graph of kernels.

# %%
graph, cluster = go_gym.datasets.load("rnnlm-2"), go_gym.load_cluster("p100x2")
single = [0] * graph.num_ops
problem = go_gym.make_problem(graph, cluster, "fusion", placement=single)
for rank in (None, [1] * problem.num_ops):
    decision = go_gym.Decision(placement=single, fusion=rank)
    print(go_gym.simulate(problem, decision).step_time_ns / 1e6, "ms")

# %% [markdown]
# ## How sure
#
# The engine and the specification are compared in every field on random problems with memory
# limits, fusion, all contention models and unequal devices (`tests/simulator/`), with the results
# of two independent simulators, and with known optima of published scheduling instances, which no
# lower bound exceeds. Moves of few ops are simulated by what they change, exactly
# ([delta simulation](delta-simulation.md)).
