"""The published network: h_G by GraphSAGE, recurrent attention, modulation, a layer a task."""

from collections.abc import Mapping

import torch
from torch import nn

from .attention import AttentionLayer
from .inputs import PaperInputs
from .sage import SageLayer
from .settings import PaperSettings
from .tasks import TASK_ORDER, TaskLayer


# Wide: a module each, in the order of the paper's sections
class PaperNetwork(nn.Module):
    """p(y_t | h_G, y_(t-1)) of every unit, and the value of y_(t-1); R units, B decisions.

    Args:
        settings: sizes.
        features: columns of an input row.
        options: how many a decision has, by name; "placement" also where it is given and not
            decided.
        decides: the names that are decided, in the order of the task layers.
    """

    def __init__(
        self,
        settings: PaperSettings,
        features: int,
        options: Mapping[str, int],
        decides: tuple[str, ...],
    ) -> None:
        super().__init__()
        s, width = settings, settings.width
        self.decides = tuple(name for name in TASK_ORDER if name in decides)
        # graph embedding (section 3.1)
        self.types = nn.EmbeddingBag(s.type_buckets, s.type_width, mode="mean")
        self.embed = nn.Sequential(
            nn.Linear(s.type_width + features, width), nn.ReLU(), nn.Linear(width, width)
        )
        self.sage = nn.ModuleList(SageLayer(width) for _ in range(s.sage_layers))
        self.embed_norm = nn.LayerNorm(width)
        # state embedding: number 0 is "nothing decided yet"
        self.decided = nn.ModuleDict(
            {name: nn.Embedding(count + 1, width) for name, count in options.items()}
        )
        self.enter = nn.Linear(2 * width, width)
        # feature modulation, trunk, and the layer that all tasks share (sections 3.2 to 3.4)
        self.modulator = AttentionLayer(width, s.heads, s.segment)
        self.trunk = nn.ModuleList(
            AttentionLayer(width, s.heads, s.segment) for _ in range(s.attention_layers)
        )
        self.task_layer = TaskLayer(width, s.heads, s.segment)
        self.out_norm = nn.LayerNorm(width)
        self.heads = nn.ModuleDict({name: nn.Linear(width, options[name]) for name in self.decides})
        self.value = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 1))
        for last in (*self.heads.values(), self.value[-1]):
            assert isinstance(last, nn.Linear)
            nn.init.orthogonal_(last.weight, s.head_gain)
            nn.init.zeros_(last.bias)

    def forward(
        self, inputs: PaperInputs, previous: Mapping[str, torch.Tensor]
    ) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
        """Logits and values.

        Args:
            inputs: of the graph.
            previous: (B, R) int64 by name: 1 + what the round before decided, 0 before the first.

        Returns:
            logits: (B, R, options) float32 by name of what is decided.
            value: (B,) float32, the return expected from here on.
        """
        graph = self.graph_embedding(inputs)
        modulation = self.modulator(graph)
        state = torch.stack([self.decided[name](chosen) for name, chosen in previous.items()])
        hidden = self.enter(torch.cat([graph.expand_as(state[0]), state.sum(dim=0)], dim=2))
        for layer in self.trunk:
            hidden = layer(modulation * hidden)
        done = torch.zeros_like(hidden)
        logits: dict[str, torch.Tensor] = {}
        for name in self.decides:
            done, hidden = self.task_layer(done, hidden)
            logits[name] = self.heads[name](self.out_norm(hidden + done))
        return logits, self.value(self.out_norm(hidden + done).mean(dim=1)).squeeze(1)

    def graph_embedding(self, inputs: PaperInputs) -> torch.Tensor:
        """(R, width): h_G."""
        types = self.types(inputs.op_types, inputs.type_offsets)
        rows = self.embed(torch.cat([types, inputs.rows], dim=1))
        for layer in self.sage:
            rows = rows + layer(rows, inputs)
        return self.embed_norm(rows)
