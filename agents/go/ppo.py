"""Proximal policy optimisation with a value network (Schulman et al. 2017), and odds of moves."""

from collections.abc import Sequence

import numpy as np
import torch
from torch.nn import functional as F

from .chooser import chances, move_scores
from .config import SearchConfig
from .model import GONetwork, MoveHead, Scores
from .policy import entropy, log_probability
from .rollout import Batch, Rollout
from .tried import TriedMoves


def update(
    network: GONetwork,
    optimizer: torch.optim.Optimizer,
    rollouts: Sequence[Rollout],
    config: SearchConfig,
    entropy_weight: float,
) -> float:
    """Improve ``network`` on the samples of one or several problems; the last loss.

    Each pass runs the network once a problem: all its samples share graph and state.
    """
    loss_value = 0.0
    for _ in range(config.epochs):
        optimizer.zero_grad(set_to_none=True)
        loss_value = 0.0
        for rollout in rollouts:
            loss = rollout_loss(network, rollout, config, entropy_weight) / len(rollouts)
            loss.backward()
            loss_value += float(loss.detach())
        torch.nn.utils.clip_grad_norm_(network.parameters(), config.gradient_clip)
        optimizer.step()
    return loss_value


def learn_odds(
    head: MoveHead,
    optimizer: torch.optim.Optimizer,
    memories: Sequence[TriedMoves],
    config: SearchConfig,
    random: np.random.Generator,
) -> None:
    """Fit the head of moves to whether the moves tried so far helped (logistic regression)."""
    tried = np.concatenate([memory.features for memory in memories])
    gained = np.concatenate([memory.gained for memory in memories])
    if not (gained.any() and head.active):
        return
    where = head.skip.weight.device
    for _ in range(config.head_steps):
        rows = random.integers(0, len(tried), min(len(tried), 512))
        score = head(torch.as_tensor(tried[rows], device=where))
        loss = F.binary_cross_entropy_with_logits(
            score, torch.as_tensor(gained[rows], device=where)
        )
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()


def rollout_loss(
    network: GONetwork, rollout: Rollout, config: SearchConfig, entropy_weight: float
) -> torch.Tensor:
    """(): clipped policy loss, value loss, entropy, odds, and imitation of the best decision."""
    scores, value = network(rollout.inputs, rollout.state, rollout.columns)
    loss = torch.zeros((), device=value.device)
    advantages = [rollout.advantage, *(batch.advantage for batch in rollout.batches)]
    advantage = torch.cat(advantages)
    if len(advantage):
        loss = loss + config.value_weight * F.mse_loss(value.expand_as(advantage), advantage)
    if rollout.batches:
        each = [_policy_loss(scores, b, value.detach(), config.clip) for b in rollout.batches]
        loss = loss + torch.stack(each).mean()
    if rollout.trials is not None:
        loss = loss + _move_loss(network, scores, rollout, value.detach(), config)
    for row, name in enumerate(rollout.columns):
        loss = loss - entropy_weight * entropy(scores[name])
        if rollout.target is not None and config.imitation:
            target = torch.as_tensor(rollout.target[row], device=value.device)
            loss = loss + config.imitation * F.cross_entropy(scores[name].options, target)
    return loss


def _move_loss(
    network: GONetwork,
    scores: dict[str, Scores],
    rollout: Rollout,
    value: torch.Tensor,
    config: SearchConfig,
) -> torch.Tensor:
    """Clipped policy loss of the moves that were chosen, and cross-entropy of their odds."""
    trials = rollout.trials
    assert trials is not None
    score = move_scores(scores, rollout.columns, network.move_head, trials)
    chosen = trials.chosen[:, None]
    log = chances(score, trials.allowed, config.sharpness).gather(1, chosen).squeeze(1)
    ratio = (log - trials.log_probability).exp()
    gain = _clipped(ratio, rollout.advantage - value, config.clip)
    odds = F.binary_cross_entropy_with_logits(score.gather(1, chosen).squeeze(1), trials.gained)
    return config.odds * odds - gain.mean()


def _clipped(ratio: torch.Tensor, advantage: torch.Tensor, clip: float) -> torch.Tensor:
    return torch.minimum(ratio * advantage, ratio.clamp(1 - clip, 1 + clip) * advantage)


def _policy_loss(
    scores: dict[str, Scores], batch: Batch, value: torch.Tensor, clip: float
) -> torch.Tensor:
    """Each part is an action of its own with the sample's advantage, its ratio clipped.

    The sum over parts is divided by their number, so that levels weigh alike.
    """
    advantage = (batch.advantage - value)[:, None]
    total = torch.zeros((), device=value.device)
    for name, actions in batch.actions.items():
        ratio = (log_probability(scores[name], actions) - actions.log_probability).exp()
        total = total - _clipped(ratio, advantage, clip).mean()
    return total
