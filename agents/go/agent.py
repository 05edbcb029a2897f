"""GO as an agent: trained on the problem itself, or trained on others before."""

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor

from go_gym.agent import Budget
from go_gym.problem import Decision, Problem

from ..common.devices import device_name
from ..common.options import SearchOptions
from ..common.training import TrainedAgent
from .ablation import GOOptions, without
from .config import NetworkConfig, SearchConfig
from .training import Training


class GO(TrainedAgent[Training]):
    """An annealing whose moves a network chooses: our search with the paper's network, not GO.

    The network is trained on the problem it decides, within the budget. What GO is (Zhou et al.,
    NeurIPS 2020) :class:`go_agents.go.paper.agent.PaperGO` has whole; this departs from it in:

    - **Decisions**: the paper samples every op anew in each of T rounds. Here that happens in
      first rounds alone (at most 20 calls of a start), and by the parts of a coarse partition;
      half of the samples are stretches of the topological order instead of the policy's own.
    - **Moves**: from then on a round changes the decision it has, some ops at a time. Annealing's
      neighbourhood (:mod:`go_agents.search.neighbourhood`) draws 8 moves; the network chooses one.
    - **Annealing**: a worse decision is gone on from with a probability that falls with the
      calls; three starts, then rounds that cool anew, every other one from nothing.
    - **Coarse to fine**: moves begin at partitions of few parts (METIS, heavy edges, layers)
      and end at single units.
    - **Traces**: the critical chain and idle times of the decision at hand say where moves begin,
      and are inputs of the network.
    - **Learning**: besides PPO's clipped loss, which takes each part as an action of its own
      and counts only moves that gain, a small head learns by logistic regression which moves
      help, and first rounds imitate the best decision so far, equal devices numbered in order.
      ``go-gym reproduce ablation`` measures what each part is worth
      (``leaderboards/ablation/ablation.md``): the moves most, learning little.
    - **Rewards** are measured by all work on one device instead of a baseline's best step time;
      advantages are in the problem's own spread, at most 3 of them, so that an invalid decision
      counts as that and not as −10.
    - **Units**: co-location groups, views and parameters with what they belong to, and chains of
      ops are decided as one; the network sees at most 256 rows of them.
    - **Inputs**: costs, bytes, place in the order, depth, layer and critical paths, beside the
      paper's types and shapes.
    - **Devices** are scored by their features and by what lies on them, so that one network serves
      any number; logits are bounded, and the modulation is a factor around 1.
    - **Levels** of priority and fusion raise and lower ops against the critical-path order and
      the framework's default; the paper's stand alone.

    Args:
        options: where it starts, what it judges placements under, and which part it does without.
        checkpoint: see :class:`TrainedAgent`.
        network, search: configurations; the defaults are what the leaderboard's rows were made
            with.
        device: where the network is: ``"cpu"``, ``"cuda"``, …; default the GPU where there is one.
    """

    version = "4"
    Options: ClassVar[type | None] = GOOptions
    presets: ClassVar[Mapping[str, str]] = {
        "fine-tune": "go_agents.go.pretrained_agents:FineTunedGO",
        "one-shot": "go_agents.go.oneshot.agent:OneShotGO",
        "paper": "go_agents.go.paper.agent:PaperGO",
        "refined": "go_agents.go.refined:RefinedGO",
        "separate": "go_agents.go.separate:SeparateGO",
        "zero-shot": "go_agents.go.pretrained_agents:ZeroShotGO",
    }

    def __init__(
        self,
        options: SearchOptions | None = None,
        checkpoint: str | Path | None = None,
        network: NetworkConfig | None = None,
        search: SearchConfig | None = None,
        device: torch.device | str | None = None,
    ) -> None:
        super().__init__(checkpoint)
        self.device = device
        self.options = options or GOOptions()
        self.tasks = self.options.tasks
        self.network = network or NetworkConfig()
        self.search = search or SearchConfig()
        if isinstance(self.options, GOOptions):
            self.network, self.search = without(self.options.without, self.network, self.search)

    @property
    def ran_on(self) -> str:
        """The device that the last training ran on, empty before the first."""
        return "" if self.training is None else device_name(self.training.device)

    def begin(self, problem: Problem, budget: Budget, seed: int) -> Training:
        """A training from the weights that the agent begins with."""
        return Training(
            [problem],
            budget.simulations,
            seed,
            self.network,
            self.search,
            self.weights(problem),
            self.options.scheduled,
            self.options.from_best,
            self.device,
        )

    def weights(self, problem: Problem) -> Mapping[str, Tensor] | None:
        """What the network begins with on a problem; None for fresh weights."""
        return None

    def run(self, training: Training, budget: Budget) -> None:
        """Train, where there is anything to decide."""
        if budget.problem.num_devices > 1 or budget.problem.task != "placement":
            self.spend(training, budget)

    def spend(self, training: Training, budget: Budget) -> None:
        """Train until the budget is used up."""
        training.run([budget], folder=self.checkpoint)

    def answer(self, training: Training, budget: Budget) -> Decision:
        """The best decision sampled; without a valid one, what the policy finds likeliest."""
        episode = training.episodes[0]
        genome = episode.state.best
        if genome is None:
            genome = episode.likeliest(training.network)
        return episode.encoding.decision(genome)
