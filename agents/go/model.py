"""GO's network: graph embedding, recurrent attention, modulation, state, task layers, heads."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from ..search.description import WIDTH
from .attention import AttentionLayer, SegmentedAttention
from .config import NetworkConfig
from .features import (
    AFFINITY_FEATURES,
    DEVICE_FEATURES,
    STATE_FEATURES,
    UNIT_FEATURES,
    GraphInputs,
    State,
)
from .sage import SageLayer

TASK_ORDER = ("fusion", "placement", "priority")
"""The order of the task layers (GO, section 3.3); "priority" is what scheduling decides."""

LARGEST_LOGIT = 3.0
"""Bound of every logit, so that no option is ever given up (after HDP, section 3; value ours)."""


@dataclass(frozen=True)
class Scores:
    """What the network says about one decision.

    Attributes:
        options: (U, K) logits of the devices, or of the levels.
        change: (U,) logits of giving up the previous round's choice, used from the second round.
    """

    options: torch.Tensor
    change: torch.Tensor


class TaskLayer(nn.Module):
    """The recurrent attention layer that all tasks share (GO, section 3.3).

    H_t = LayerNorm(Concat(A_(t-1), H_(t-1))), A_t = FC(MultiHeadAttention(H_t)), with residual
    connections. An affine map takes the concatenation back to the width, so that one set of
    parameters serves every task (our choice; the paper does not say how widths are kept).
    """

    def __init__(self, width: int, heads: int, segment: int, recurrence: bool = True) -> None:
        super().__init__()
        self.join = nn.Linear(2 * width, width)
        self.norm = nn.LayerNorm(width)
        self.attend = SegmentedAttention(width, heads, segment, recurrence)
        self.forward_part = nn.Sequential(
            nn.Linear(width, 2 * width), nn.ReLU(), nn.Linear(2 * width, width)
        )

    def forward(
        self, decided: torch.Tensor, hidden: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """A_(t-1), H_(t-1), both (…, U, width) → A_t, H_t."""
        joined = hidden + self.norm(self.join(torch.cat([decided, hidden], dim=-1)))
        return decided + self.forward_part(self.attend(joined)), joined


class MoveHead(nn.Module):
    """Log-odds, up to a constant, that a move helps, from its features; zero before it learned."""

    def __init__(self, width: int, active: bool = True) -> None:
        super().__init__()
        self.active = active
        self.hidden = nn.Linear(WIDTH, width)
        self.out = _zero_linear(width, 1)
        self.skip = _zero_linear(WIDTH, 1)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """(…, WIDTH) → (…)."""
        if not self.active:
            return torch.zeros_like(features[..., 0])
        hidden = torch.relu(self.hidden(features))
        return (self.out(hidden) + self.skip(features)).squeeze(-1)

    def in_numpy(self) -> Callable[[np.ndarray], np.ndarray]:
        """The same function of float32 arrays, without PyTorch's cost a call."""
        layers = [
            (each.weight.detach().cpu().numpy().T, each.bias.detach().cpu().numpy())
            for each in (self.hidden, self.out, self.skip)
        ]
        (into, inside), (out, shift), (skip, more) = layers

        def score(features: np.ndarray) -> np.ndarray:
            if not self.active:
                return np.zeros_like(features[..., 0])
            hidden = np.maximum(features @ into + inside, 0)
            return (hidden @ out + features @ skip)[..., 0] + (shift + more)

        return score


# Wide: a module each, under the names that the shipped weights have
class GONetwork(nn.Module):
    """The policy and the value of a decision about a graph, given the previous round's decision.

    Linear in units: 46,699 units of GNMT-8 take seconds on a CPU. Nothing in it depends on the
    number of devices or on a graph, so that one set of weights serves them all.
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        width = config.width
        self.types = nn.EmbeddingBag(config.type_buckets, config.type_width, mode="mean")
        self.embed = nn.Sequential(
            nn.Linear(config.type_width + UNIT_FEATURES, width), nn.ReLU(), nn.Linear(width, width)
        )
        layers = config.sage_layers if config.graph_embedding else 0
        self.sage = nn.ModuleList(SageLayer(width) for _ in range(layers))
        self.embed_norm = nn.LayerNorm(width)
        self.device_keys = nn.Sequential(
            nn.Linear(DEVICE_FEATURES, width), nn.ReLU(), nn.Linear(width, width)
        )
        self.level_embedding = nn.ModuleDict(
            {name: nn.Embedding(config.levels, width) for name in ("priority", "fusion")}
        )
        self.enter = nn.Linear(2 * width + STATE_FEATURES, width)
        self.modulator = AttentionLayer(width, config.heads, config.segment, config.recurrence)
        self.modulation = nn.Linear(width, width)
        self.trunk = nn.ModuleList(self._layer() for _ in range(config.attention_layers))
        self.task_layer = TaskLayer(width, config.heads, config.segment, config.recurrence)
        self.out_norm = nn.LayerNorm(width)
        self.score_unit = nn.Linear(width, config.score_width)
        self.score_device = nn.Linear(width, config.score_width, bias=False)
        self.score_affinity = nn.Linear(AFFINITY_FEATURES, config.score_width, bias=False)
        self.score_out = _zero_linear(config.score_width, 1, bias=False)
        self.score_skip = _zero_linear(AFFINITY_FEATURES, 1, bias=False)
        self.change_skip = nn.ModuleDict(
            {name: _zero_linear(STATE_FEATURES, 1, bias=False) for name in TASK_ORDER}
        )
        self.level_heads = nn.ModuleDict(
            {name: _level_head(width, config.levels) for name in ("priority", "fusion")}
        )
        self.change_heads = nn.ModuleDict({name: _zero_linear(width, 1) for name in TASK_ORDER})
        self.value = nn.Sequential(nn.Linear(2 * width, width), nn.ReLU(), _zero_linear(width, 1))
        self.move_head = MoveHead(config.score_width, config.move_head)

    def _layer(self) -> AttentionLayer:
        c = self.config
        return AttentionLayer(c.width, c.heads, c.segment, c.recurrence, c.attention)

    def forward(
        self, inputs: GraphInputs, state: State, decisions: Sequence[str]
    ) -> tuple[dict[str, Scores], torch.Tensor]:
        """Scores of each of ``decisions`` (names of TASK_ORDER), and the value of the state.

        In bfloat16 on a GPU, except for what is handed out.

        Returns:
            scores: by name.
            value: () float32, the expected normalised reward of what is decided next.
        """
        where = inputs.rows.device.type
        half = where == "cuda" or torch.is_autocast_enabled(where)
        with torch.autocast(where, torch.bfloat16, enabled=half):
            return self._forward(inputs, state, decisions)

    def _forward(
        self, inputs: GraphInputs, state: State, decisions: Sequence[str]
    ) -> tuple[dict[str, Scores], torch.Tensor]:
        rows = self.embedding(inputs)
        devices = self.device_keys(inputs.devices)
        hidden = self.enter(torch.cat([rows, self._decided(inputs, state, devices)], dim=1))
        factor = 1 + self.modulation(self.modulator(rows)) if self.config.modulation else 1
        for layer in self.trunk:
            hidden = layer(factor * hidden)
        scores: dict[str, Scores] = {}
        done = torch.zeros_like(hidden)
        for name in TASK_ORDER:
            if self.config.task_layers:
                done, hidden = self.task_layer(done, hidden)
            if name in decisions:
                task = self.out_norm(hidden + done)
                change = self.change_heads[name](task).float()[inputs.row_of_unit]
                change = change + self.change_skip[name](state.units)
                scores[name] = Scores(
                    _bounded(self._options(name, task, devices, inputs, state)),
                    _bounded(change.squeeze(1)),
                )
            if len(scores) == len(decisions):
                break
        pooled = torch.cat([task.mean(dim=0), task.amax(dim=0)])
        return scores, self.value(pooled).squeeze(0).float()

    def embedding(self, inputs: GraphInputs) -> torch.Tensor:
        """(R, width): the graph embedding h_G."""
        types = self.types(inputs.op_types, inputs.type_offsets)
        rows = self.embed(torch.cat([types, inputs.rows], dim=1))
        for layer in self.sage:
            rows = rows + layer(rows, inputs)
        return self.embed_norm(rows)

    def _decided(self, inputs: GraphInputs, state: State, devices: torch.Tensor) -> torch.Tensor:
        """(R, width + STATE_FEATURES): the previous decision, embedded, a row's units averaged."""
        total = torch.zeros(len(inputs.rows), self.config.width, device=devices.device)
        if not self.config.state:
            return torch.cat([total, torch.zeros_like(state.rows)], dim=1)
        if state.placement is not None:
            total = total + inputs.mean(devices.float().index_select(0, state.placement))
        for name, levels in (("priority", state.priority), ("fusion", state.fusion)):
            if levels is not None:
                total = total + inputs.mean(self.level_embedding[name](levels))
        return torch.cat([total, state.rows], dim=1)

    def _options(
        self,
        name: str,
        task: torch.Tensor,
        devices: torch.Tensor,
        inputs: GraphInputs,
        state: State,
    ) -> torch.Tensor:
        """(U, K) float32 logits: of devices, scored against their features, or of levels."""
        if name != "placement":
            return self.level_heads[name](task).float()[inputs.row_of_unit]
        hidden = self.score_unit(task)[:, None] + self.score_device(devices)[None]
        if self.config.device_affinity:
            near = inputs.mean(state.affinity.flatten(1)).unflatten(1, (-1, AFFINITY_FEATURES))
            hidden = hidden + self.score_affinity(near)
        score = self.score_out(torch.relu(hidden))[inputs.row_of_unit]
        if self.config.device_affinity:
            score = score + self.score_skip(state.affinity)
        return score.squeeze(2).float()


def _bounded(logits: torch.Tensor) -> torch.Tensor:
    """LARGEST_LOGIT · tanh(logits / LARGEST_LOGIT)."""
    return LARGEST_LOGIT * torch.tanh(logits / LARGEST_LOGIT)


def _zero_linear(width: int, out: int, bias: bool = True) -> nn.Linear:
    """A head that says nothing before it has learned: all options alike, value zero."""
    linear = nn.Linear(width, out, bias=bias)
    for parameter in linear.parameters():
        nn.init.zeros_(parameter)
    return linear


def _level_head(width: int, levels: int) -> nn.Linear:
    """At first, about half of what it draws is the middle level (our choice)."""
    linear = _zero_linear(width, levels)
    with torch.no_grad():
        linear.bias[levels // 2] = 2.0
    return linear
