"""Proximal policy optimisation over clusters, with a value network (Schulman et al. 2017)."""

from collections.abc import Sequence

import torch
from torch.nn import functional as F

from .config import SearchConfig
from .episode import Batch, Rollout
from .model import GONetwork, Scores
from .policy import entropy, log_probability


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


def rollout_loss(
    network: GONetwork, rollout: Rollout, config: SearchConfig, entropy_weight: float
) -> torch.Tensor:
    """(): clipped policy loss, value loss, entropy, and imitation of the best decision."""
    scores, value = network(rollout.inputs, rollout.state, rollout.decides)
    loss = torch.zeros((), device=value.device)
    if rollout.batches:
        each = [_policy_loss(scores, b, value.detach(), config.clip) for b in rollout.batches]
        advantages = torch.cat([batch.advantage for batch in rollout.batches])
        error = F.mse_loss(value.expand_as(advantages), advantages)
        loss = torch.stack(each).mean() + config.value_weight * error
    for name in rollout.decides:
        loss = loss - entropy_weight * entropy(scores[name])
        if rollout.target is not None and config.imitation:
            target = torch.as_tensor(rollout.target[name], device=value.device)
            loss = loss + config.imitation * F.cross_entropy(scores[name].options, target)
    return loss


def _policy_loss(
    scores: dict[str, Scores], batch: Batch, value: torch.Tensor, clip: float
) -> torch.Tensor:
    """Each cluster is an action of its own with the sample's advantage, its ratio clipped.

    The sum over clusters is divided by how many decide afresh on average, so that levels weigh
    alike.
    """
    advantage = (batch.advantage - value)[:, None]
    total = torch.zeros((), device=value.device)
    for name, actions in batch.actions.items():
        ratio = (log_probability(scores[name], actions) - actions.log_probability).exp()
        gain = torch.minimum(ratio * advantage, ratio.clamp(1 - clip, 1 + clip) * advantage)
        decided = max(float((actions.chosen >= 0).sum(dim=1).float().mean()), 1.0)
        total = total - gain.sum(dim=1).mean() / decided
    return total
