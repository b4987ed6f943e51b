"""The sparse router: which k banks a query is sent to, and with what weights."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from memories.dense import Dense
from memories.hpm.behaviour import SingleWeight
from memories.slots.masked_softmax import masked_softmax

LEAST_TEMPERATURE = 0.1


class Routing(NamedTuple):
    """Where Q queries go.

    Attributes:
        logits: l [Q, nB].
        scaled: l / T [Q, nB].
        probabilities: Softmax over all banks that are available [Q, nB]; zeros where none is.
        weights: Softmax over the chosen banks, zero elsewhere [Q, nB].
        selected: The chosen banks, bool [Q, nB].
    """

    logits: Tensor
    scaled: Tensor
    probabilities: Tensor
    weights: Tensor
    selected: Tensor


class BankRouter(nn.Module):
    """Routes a code to its k banks of largest logit, of equal ones the first.

    l = W_2 gelu(W_1 z + b_1) + b_2 and T = softplus(theta) + 0.1, theta = 1 before training. The
    weights are softmax(l / T) over the chosen banks alone (Shazeer et al. 2017, without noise).
    With k = 1 that is the constant one, from which no task loss teaches the router; ``prob`` takes
    the probability among all banks instead (Fedus et al. 2022).

    Args:
        width: D.
        banks: nB.
        top_k: k <= nB.
        single: Weight of the chosen bank if k = 1.
        generator: Source of both layers, uniform as in `torch.nn.Linear`.
    """

    def __init__(
        self,
        width: int,
        banks: int,
        top_k: int,
        *,
        single: SingleWeight,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.top_k = top_k
        self.by_probability = top_k == 1 and single == "prob"
        self.hidden = Dense(width, width, generator)
        self.out = Dense(width, banks, generator)
        self.theta = nn.Parameter(torch.ones(()))

    @property
    def temperature(self) -> Tensor:
        """T, at least 0.1."""
        return F.softplus(self.theta) + LEAST_TEMPERATURE

    def forward(self, z: Tensor, available: Tensor | None = None) -> Routing:
        """The routing of codes [Q, D].

        Args:
            z: [Q, D].
            available: Banks that may be chosen, bool [nB]; None for all. Fewer than k available
                ones count as all; where there is none at all, every weight is zero.
        """
        logits = self.out(F.gelu(self.hidden(z)))
        usable = torch.ones_like(logits, dtype=torch.bool)
        if available is not None:
            count = available.sum()
            usable = usable & torch.where((count > 0) & (count < self.top_k), True, available)
        scaled = logits / self.temperature
        probabilities = masked_softmax(scaled, usable)
        selected = self._first(torch.where(usable, logits.detach(), -math.inf)) & usable
        weights = masked_softmax(scaled, selected)
        if self.by_probability:
            weights = torch.where(selected, probabilities, 0.0)
        return Routing(logits, scaled, probabilities, weights, selected)

    def _first(self, logits: Tensor) -> Tensor:
        """Where the k largest of each row are, bool [Q, nB]."""
        order = logits.sort(dim=-1, descending=True, stable=True).indices
        return order.argsort(dim=-1) < self.top_k
