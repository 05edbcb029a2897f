"""PPO in one file, after CleanRL's ppo.py, on GO-PlacementSteps-v0.

    python examples/ppo_cleanrl.py --graph rnnlm-2 --cluster p100x2 --total-steps 50000

The environment is used as it is: native vector environment, flat Dict observation. The network
looks at the current unit's rows and at the means over all units; see agents/sb3 for one that uses
the graph. Each iteration prints the mean step time at the end of its episodes.
"""

import argparse
import time
from dataclasses import dataclass, fields

import gymnasium as gym
import numpy as np
import torch
from torch import nn
from torch.distributions import Categorical

import go_gym  # registers the environments

TABLES = ("ops", "durations", "unit_state")  # entries with a row a unit


@dataclass
class Args:
    graph: str = "rnnlm-2"  # a name, path, split or family
    room: str = ""  # other graphs that the network is to fit, as graph; for transfer
    cluster: str = "p100x2"  # a preset or TOML path
    groups: int = 16  # units that the graph is grouped into: steps an episode
    seed: int = 0
    total_steps: int = 50_000  # environment steps, each of them one simulation
    num_envs: int = 16  # episodes side by side
    num_steps: int = 32  # steps of each in a rollout
    learning_rate: float = 1e-3  # falls to 0 over the training
    gamma: float = 1.0  # Placeto's: what counts is the sum
    gae_lambda: float = 0.95
    epochs: int = 4  # passes over a rollout
    minibatches: int = 4
    clip: float = 0.2
    entropy: float = 0.003
    value: float = 0.5
    max_grad_norm: float = 0.5
    width: int = 64  # of the network


def features(observation: dict[str, np.ndarray]) -> torch.Tensor:
    """(envs, columns): the current unit's rows, the units' mean, and the share of each device."""
    envs, units = observation["op_mask"].shape
    tables = [observation[key].reshape(envs, units, -1) for key in TABLES]
    table = np.concatenate(tables, axis=2)
    mask = observation["op_mask"][:, :, None]
    mean = (table * mask).sum(axis=1) / mask.sum(axis=1)
    current = table[np.arange(envs), observation["current"][:, 0]]
    return torch.from_numpy(np.concatenate([current, mean], axis=1).astype(np.float32))


def layer(inputs: int, outputs: int, gain: float = 2**0.5) -> nn.Linear:
    """A linear layer with CleanRL's initial weights."""
    made = nn.Linear(inputs, outputs)
    nn.init.orthogonal_(made.weight, gain)
    nn.init.zeros_(made.bias)
    return made


class Agent(nn.Module):
    """An actor and a critic, two hidden layers each."""

    def __init__(self, inputs: int, actions: int, width: int) -> None:
        super().__init__()
        self.actor = self._network(inputs, width, actions, 0.01)
        self.critic = self._network(inputs, width, 1, 1.0)

    @staticmethod
    def _network(inputs: int, width: int, outputs: int, gain: float) -> nn.Sequential:
        return nn.Sequential(
            layer(inputs, width),
            nn.Tanh(),
            layer(width, width),
            nn.Tanh(),
            layer(width, outputs, gain),
        )

    def forward(self, seen: torch.Tensor) -> tuple[Categorical, torch.Tensor]:
        return Categorical(logits=self.actor(seen)), self.critic(seen).squeeze(-1)


def train(args: Args) -> list[float]:
    """Train; the mean speed-up over the human expert at the episodes' ends, an iteration each."""
    return trained(args)[1]


def trained(args: Args) -> tuple[Agent, list[float]]:
    """The agent, and what :func:`train` gives."""
    torch.manual_seed(args.seed)
    torch.set_num_threads(1)
    envs = gym.make_vec(
        "GO-PlacementSteps-v0",
        num_envs=args.num_envs,
        vectorization_mode="vector_entry_point",
        autoreset_mode=gym.vector.AutoresetMode.SAME_STEP,
        graph=args.graph,
        cluster=args.cluster,
        groups=args.groups,
        room=args.room or None,
    )
    seen = features(envs.reset(seed=args.seed)[0])
    agent = Agent(seen.shape[1], int(envs.single_action_space.n), args.width)
    optimizer = torch.optim.Adam(agent.parameters(), lr=args.learning_rate, eps=1e-5)
    batch = args.num_envs * args.num_steps
    iterations = max(args.total_steps // batch, 1)
    shape = (args.num_steps, args.num_envs)
    observations = torch.zeros((*shape, seen.shape[1]))
    actions, logprobs = torch.zeros(shape, dtype=torch.long), torch.zeros(shape)
    rewards, dones, values = torch.zeros(shape), torch.zeros(shape), torch.zeros(shape)
    history, best, start = [], 0.0, time.time()

    for iteration in range(iterations):
        optimizer.param_groups[0]["lr"] = args.learning_rate * (1 - iteration / iterations)
        ended = []
        for step in range(args.num_steps):  # collect
            observations[step] = seen
            with torch.no_grad():
                policy, values[step] = agent(seen)
                actions[step] = policy.sample()
                logprobs[step] = policy.log_prob(actions[step])
            observation, reward, terminated, _, infos = envs.step(actions[step].numpy())
            rewards[step], dones[step] = torch.from_numpy(reward), torch.from_numpy(terminated)
            seen = features(observation)
            if terminated.any():
                last = infos["final_info"]
                ended += (last["speedup"] * last["valid"])[terminated].tolist()
        best = max(best, *ended, 0.0)
        history.append(float(np.mean(ended)) if ended else float("nan"))

        with torch.no_grad():  # generalised advantage estimation
            following, advantage = agent(seen)[1], torch.zeros(args.num_envs)
            advantages = torch.zeros_like(rewards)
            for step in reversed(range(args.num_steps)):
                going = 1 - dones[step]
                delta = rewards[step] + args.gamma * following * going - values[step]
                advantage = delta + args.gamma * args.gae_lambda * going * advantage
                advantages[step], following = advantage, values[step]
        returns = (advantages + values).flatten()
        flat = [x.flatten(0, 1) for x in (observations, actions, logprobs, advantages)]

        for _ in range(args.epochs):  # learn
            for chosen in torch.randperm(batch).chunk(args.minibatches):
                given, taken, before, gain = (x[chosen] for x in flat)
                policy, value = agent(given)
                ratio = (policy.log_prob(taken) - before).exp()
                gain = (gain - gain.mean()) / (gain.std(correction=0) + 1e-8)
                clipped = ratio.clamp(1 - args.clip, 1 + args.clip)
                policy_loss = -torch.min(ratio * gain, clipped * gain).mean()
                value_loss = 0.5 * (value - returns[chosen]).square().mean()
                loss = (
                    policy_loss + args.value * value_loss - args.entropy * policy.entropy().mean()
                )
                optimizer.zero_grad()
                loss.backward()
                nn.utils.clip_grad_norm_(agent.parameters(), args.max_grad_norm)
                optimizer.step()
        print(
            f"step {(iteration + 1) * batch:>8,}  speed-up over the expert: mean of the episodes' "
            f"ends {history[-1]:.3f}, best {best:.3f}  ({time.time() - start:.0f} s)"
        )
    envs.close()
    return agent, history


if __name__ == "__main__":
    print(f"go_gym {go_gym.__version__}")
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    for field in fields(Args):
        name = "--" + field.name.replace("_", "-")
        parser.add_argument(name, type=type(field.default), default=field.default)
    train(Args(**vars(parser.parse_args())))
