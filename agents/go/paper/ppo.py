"""Rounds of decisions sampled in parallel, and PPO on them (Schulman et al. 2017)."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch.nn import functional as F

from go_gym.agent import Budget

from .case import Case
from .network import PaperNetwork
from .settings import PaperSettings


@dataclass(frozen=True, eq=False)
class Rollout:
    """N decisions about one problem, sampled in S states.

    Attributes:
        previous: (S, R) int64 by name, the states; episodes share that of the first round.
        state: (N,) int64, in which state each decision was sampled.
        chosen: (N, R) int64 by name, what was sampled.
        log_probability: (N,) float32 of each whole decision under the policy that sampled it.
        advantage: (N,) float32, with mean 0 and spread 1.
        target: (N,) float32, what the value should have been.
    """

    previous: dict[str, torch.Tensor]
    state: torch.Tensor
    chosen: dict[str, torch.Tensor]
    log_probability: torch.Tensor
    advantage: torch.Tensor
    target: torch.Tensor


def sample(
    logits: Mapping[str, torch.Tensor], generator: torch.Generator
) -> dict[str, torch.Tensor]:
    """(B, R) int64 by name: an option of every unit, all at once and independently."""
    return {
        name: torch.multinomial(each.softmax(dim=2).flatten(0, 1), 1, generator=generator).view(
            each.shape[:2]
        )
        for name, each in logits.items()
    }


def log_probability(
    logits: Mapping[str, torch.Tensor], chosen: Mapping[str, torch.Tensor]
) -> torch.Tensor:
    """(B,): of each whole decision, the sum over its units and over what is decided of them."""
    total = [
        each.log_softmax(dim=2).gather(2, chosen[name][:, :, None]).sum(dim=(1, 2))
        for name, each in logits.items()
    ]
    return torch.stack(total).sum(dim=0)


def entropy(logits: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """(): of a whole decision, as its log-probability a sum, in nats; the mean over decisions."""
    logs = [each.log_softmax(dim=2) for each in logits.values()]
    return torch.stack([(-log.exp() * log).sum(dim=(1, 2)).mean() for log in logs]).sum()


@torch.no_grad()
def decode(network: PaperNetwork, case: Case, rounds: int) -> dict[str, torch.Tensor]:
    """(1, R) int64 by name: the likeliest decision after ``rounds``; no simulator call."""
    state, chosen = case.start(1), {}
    for _ in range(rounds):
        logits, _ = network(case.inputs, state)
        chosen = {name: each.argmax(dim=2) for name, each in logits.items()}
        state = case.after(state, chosen)
    return chosen


@torch.no_grad()
def collect(
    network: PaperNetwork,
    case: Case,
    budget: Budget,
    settings: PaperSettings,
    generator: torch.Generator,
) -> Rollout:
    """A K-step rollout: episodes of T rounds side by side (K = T), a simulator call a decision."""
    rounds = min(settings.rounds, budget.remaining)
    episodes = max(min(settings.episodes, budget.remaining // rounds), 1)
    state = case.start(1)
    states, numbers, choices, logs, rewards, values = [], [], [], [], [], []
    known = 0
    for _ in range(rounds):
        logits, value = network(case.inputs, state)
        number = torch.arange(len(value)).expand(episodes)  # one state for all, or one for each
        logits = {name: each[number] for name, each in logits.items()}
        value = value[number]
        chosen = sample(logits, generator)
        states.append(state)
        numbers.append(known + number)
        known += len(next(iter(state.values())))
        choices.append(chosen)
        logs.append(log_probability(logits, chosen))
        values.append(value)
        rewards.append(case.evaluate(chosen, budget))
        state = case.after(state, chosen)
    advantage, target = advantages(
        torch.stack(rewards), torch.stack(values), settings.discount, settings.gae
    )
    return Rollout(
        {name: torch.cat([each[name] for each in states]) for name in states[0]},
        torch.cat(numbers),
        {name: torch.cat([each[name] for each in choices]) for name in choices[0]},
        torch.cat(logs),
        normalised(advantage.flatten()),
        target.flatten(),
    )


def advantages(
    rewards: torch.Tensor, values: torch.Tensor, discount: float, gae: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Generalised advantages (Schulman et al. 2016), and what the values should have been.

    Args:
        rewards, values: (T, B) of each round of each episode, which ends after the last.
        discount, gae: gamma and lambda.
    """
    advantage, following = torch.zeros_like(rewards), torch.zeros_like(rewards[0])
    after = torch.zeros_like(rewards[0])
    for t in reversed(range(len(rewards))):
        following = rewards[t] + discount * after - values[t] + discount * gae * following
        advantage[t], after = following, values[t]
    return advantage, advantage + values


def normalised(advantage: torch.Tensor) -> torch.Tensor:
    """(N,): less the mean, over the standard deviation; zeros where all are alike."""
    return (advantage - advantage.mean()) / (advantage.std(correction=0) + 1e-8)


def update(
    network: PaperNetwork,
    optimizer: torch.optim.Optimizer,
    case: Case,
    rollout: Rollout,
    settings: PaperSettings,
    entropy_weight: float,
    generator: torch.Generator,
) -> None:
    """Passes over the rollout in random minibatches."""
    count = len(rollout.advantage)
    for _ in range(settings.epochs):
        for rows in torch.randperm(count, generator=generator).split(settings.minibatch):
            loss = minibatch_loss(network, case, rollout, rows, settings, entropy_weight)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            norm = torch.nn.utils.clip_grad_norm_(network.parameters(), settings.gradient_clip)
            if torch.isfinite(norm):  # the ratio of a whole decision's chances can overflow
                optimizer.step()


def minibatch_loss(
    network: PaperNetwork,
    case: Case,
    rollout: Rollout,
    rows: torch.Tensor,
    settings: PaperSettings,
    entropy_weight: float,
) -> torch.Tensor:
    """(): clipped policy loss, value loss, entropy bonus, of the decisions in ``rows`` (m,)."""
    chosen = {name: each[rows] for name, each in rollout.chosen.items()}
    states, number = rollout.state[rows].unique(return_inverse=True)
    previous = {name: each[states] for name, each in rollout.previous.items()}
    logits, value = network(case.inputs, previous)
    logits = {name: each[number] for name, each in logits.items()}
    value = value[number]
    advantage = rollout.advantage[rows]
    policy = policy_loss(
        log_probability(logits, chosen), rollout.log_probability[rows], advantage, settings.clip
    )
    worth = F.mse_loss(value, rollout.target[rows])
    return policy + settings.value_weight * worth - entropy_weight * entropy(logits)


def policy_loss(
    log: torch.Tensor, old: torch.Tensor, advantage: torch.Tensor, clip: float
) -> torch.Tensor:
    """(): PPO's clipped surrogate, negated; the ratio is that of whole decisions."""
    ratio = (log - old).exp()
    return -torch.minimum(ratio * advantage, ratio.clamp(1 - clip, 1 + clip) * advantage).mean()
