"""Train a policy with TorchRL's PPO on two families, evaluate it on one that it never saw.

python examples/transfer_torchrl.py
"""

import torch
from tensordict.nn import TensorDictModule
from torch import nn
from torchrl.envs import GymWrapper
from torchrl.modules import MLP, ProbabilisticActor, ValueOperator
from torchrl.objectives import ClipPPOLoss
from torchrl.objectives.value import GAE
from transfer import HELD_OUT, TRAIN, compare, make, speedup

from go_gym.envs.wrappers import FlatFeatures


def train(seed: int, steps: int = 4096, batch: int = 256) -> float:
    torch.manual_seed(seed)
    torch.set_num_threads(1)
    env = GymWrapper(FlatFeatures(make(TRAIN)), categorical_action_encoding=True)
    env.set_seed(seed)
    sizes = {"num_cells": [64, 64], "activation_class": nn.Tanh}
    inputs, devices = env.observation_spec["observation"].shape[-1], env.action_spec.space.n
    head = TensorDictModule(MLP(inputs, devices, **sizes), ["observation"], ["logits"])
    policy = ProbabilisticActor(
        head,
        in_keys=["logits"],
        distribution_class=torch.distributions.Categorical,
        return_log_prob=True,
        spec=env.action_spec,
    )
    critic = ValueOperator(MLP(inputs, 1, **sizes))
    loss = ClipPPOLoss(policy, critic, entropy_coeff=0.003)
    advantage = GAE(gamma=1.0, lmbda=0.95, value_network=critic, average_gae=True)
    optimizer = torch.optim.Adam(loss.parameters(), lr=1e-3)
    for _ in range(steps // batch):
        with torch.no_grad():
            rollout = env.rollout(batch, policy, break_when_any_done=False)
            advantage(rollout)
        for chosen in torch.cat([torch.randperm(batch) for _ in range(8)]).split(64):
            losses = loss(rollout[chosen])
            total = losses["loss_objective"] + losses["loss_critic"] + losses["loss_entropy"]
            optimizer.zero_grad()
            total.backward()
            nn.utils.clip_grad_norm_(loss.parameters(), 0.5)
            optimizer.step()

    def act(seen):
        with torch.no_grad():
            return int(head.module(torch.from_numpy(seen)).argmax())

    return speedup(FlatFeatures(make(HELD_OUT)), act, 1, seed)


if __name__ == "__main__":
    compare(train, seeds=3)
