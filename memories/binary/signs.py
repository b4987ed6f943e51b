"""Real vectors as bits of -1 and +1."""

from __future__ import annotations

import torch
from torch import Tensor


def signs(x: Tensor) -> Tensor:
    """Signs of x, with sign(0) = +1, in its dtype; their gradient is zero."""
    return torch.where(x == 0, 1.0, x.sign())
