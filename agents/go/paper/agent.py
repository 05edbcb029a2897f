"""GO as published (Zhou et al., NeurIPS 2020): PPO over decisions of the whole graph."""

from pathlib import Path
from typing import ClassVar

from go_gym.agent import Budget
from go_gym.problem import TASKS, Decision, Problem

from ...common.devices import one_thread
from ...common.training import TrainedAgent
from .ppo import decode
from .settings import PaperSettings
from .training import PaperTraining


class PaperGO(TrainedAgent[PaperTraining]):
    """GO-one as published: a policy over decisions of the whole graph, trained by PPO on it.

    GraphSAGE embeds the ops; recurrent attention over segments of the topological order, modulated
    op by op, gives each op a distribution, given what the round before decided; T rounds, all ops
    sampled at once. No moves, no annealing, no trace, nobody else's decisions: the search that
    goes by the name of ``go`` (:class:`go_agents.go.agent.GO`) shares the network's parts and
    nothing else. The answer is the best decision sampled. As published, but for these departures
    (:class:`PaperSettings` says of every figure whether it was published):

    - **Units**: the paper decides every op. Here a co-location group, and a view or parameter
      with what it belongs to (:func:`go_gym.partitions.attached_partition`), is decided as
      one, so that no sample breaks a co-location; where more than ``rows`` units are left, those
      that exchange most bytes are merged first
      (:func:`go_gym.partitions.coarsen.heavy_edges`), for speed and memory. A unit's type is the
      mean of its ops' embeddings, its shape that of its longest op, and it also says how many ops
      it has and how many bytes they give.
    - **Shapes** are those of an op's first output (graphs keep no others), as logarithms.
    - **Adjacency**, beside what GraphSAGE makes of it, is the topological numbers of the first
      6 producers and consumers, as HDP has it; the paper only names it as an input.
    - **Reward**: −sqrt(step time / all work on the fastest device) instead of a baseline's best
      step time. It differs by a factor, takes no simulator call and looks at no decision.
    - **Every round is simulated** and rewarded, and a rollout's K steps are the T rounds of
      several episodes; the paper does not say which rounds are. Their first state is the same, and
      is encoded once.
    - **Task layers**: an affine map takes Concat(A, H) back to the width, so that the tasks can
      share parameters; a task alone has one layer, its own. In the joint task the samples of
      fusion, placement and priority are independent given what the layers carry.
    - **Transformer layers** normalise first. All segments are computed at once, which gives what
      the cache of the one before gives.
    - **A given placement** (scheduling, fusion) is seen as a decision of the round before.
    - **Levels** of priority and fusion stand for themselves, ties as the simulator breaks them;
      fusion level 0 is never.
    - **Entropy** counts in the loss, for whole decisions, and falls to nothing with the budget.
    - **Devices**: the heads are of the problem at hand; the paper fixes a number.

    Sampled independently, a unit that leaves its neighbours costs transfers, so that policies
    end at one device for all where entropy or learning rate are off, or learn nothing in 4,000
    calls. Of what was not published, 17 settings of learning rate, passes, episodes, rounds,
    initial weights of the heads, entropy and discount were tried for that, on
    ``synthetic-unrolled-600`` and ``synthetic-layered-600`` with seeds 100 and 101 and no other
    graph; ``rows`` and ``segment`` were chosen for speed.

    To reproduce its rows: ``go-gym run -a go:paper -g rnnlm-2 -c p100x2 --budget 4000``; another
    figure than the default is an option, as in ``go:paper,rounds=5``.

    Args:
        options: the figures of the method, default as published or, where nothing was, ours.
        checkpoint: see :class:`TrainedAgent`.
    """

    version = "1"
    tasks: tuple[str, ...] = TASKS
    ran_on = "cpu"
    Options: ClassVar[type] = PaperSettings

    def __init__(
        self, options: PaperSettings | None = None, checkpoint: str | Path | None = None
    ) -> None:
        super().__init__(checkpoint)
        self.options = options or PaperSettings()

    def begin(self, problem: Problem, budget: Budget, seed: int) -> PaperTraining:
        """A training from fresh weights."""
        return PaperTraining(problem, budget.simulations, seed, self.options)

    def run(self, training: PaperTraining, budget: Budget) -> None:
        """Train until the budget is used up."""
        training.run(budget, self.checkpoint)

    def answer(self, training: PaperTraining, budget: Budget) -> Decision:
        """The best decision sampled; without a valid one, what the policy finds likeliest."""
        case = training.case
        if case.best is not None:
            return case.decision(case.best)
        with one_thread():
            chosen = decode(training.network, case, self.options.rounds)
        return case.decision({name: each[0].numpy() for name, each in chosen.items()})
