"""The layer that all tasks share, and their order."""

import torch
from torch import nn

from .attention import SegmentedAttention

TASK_ORDER = ("fusion", "placement", "priority")
"""The order of the task layers (GO, section 3.3); "priority" is what scheduling decides."""


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
