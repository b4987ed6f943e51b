"""Fast weights whose write rule is itself a slow network."""

from __future__ import annotations

from typing import Annotated, Any

import torch
from annotated_types import Ge
from torch import Tensor, nn
from typing_extensions import override

from bench.registry import memory
from memories.base import AssociativeMemory, State
from memories.dense import Dense
from memories.features import unit
from memories.sizing import only_size

WRITE_LOGIT = 4.0
"""Where the write strength starts: 0.982 of the error is corrected."""
DECAY_LOGIT = 6.0
"""Where the decay starts: 0.9975 of the old is kept at each event."""


@memory("ar-meta", family="ar", source="Schlag et al. 2021; learned rule after Bengio et al. 1991")
class ArMeta(AssociativeMemory):
    """Recalls values through a matrix written by a learned rule that starts as the delta rule.

    With k' = unit(k P), the error e = v - k' F and features h of a two-layer network over
    [unit(k), unit(v), unit(e)], an event writes

        F <- decay(h) F + strength(h) unit(k' + dk(h))^T (e + de(h))

    and a read is unit(q P) F. The four heads are linear in h: strength and decay are sigmoids of
    theirs plus a slow logit, dk [D] and de [V] correct what is bound to what. Their weights start
    at zero, so that an untrained memory is the delta rule (Schlag, Irie & Schmidhuber 2021) with
    strength 0.982 and decay 0.9975; trained through its writes, it is a learned local rule
    (Bengio, Bengio & Cloutier 1991). Each event needs the error that the one before left: a write
    is a loop.

    State: ``fast_weights`` [D, V], ``count``. Slow weights: P, from the identity, the two logits,
    the network and its heads.

    Args:
        key_dim: D.
        value_dim: V.
        hidden: Units in each of the network's two layers.
        generator: Source of the network's initial weights.
    """

    def __init__(
        self,
        key_dim: int,
        value_dim: int,
        *,
        hidden: Annotated[int, Ge(1)] = 64,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.key_dim = key_dim
        self.value_dim = value_dim
        self.key_in = nn.Parameter(torch.eye(key_dim))
        self.known_in = Dense(key_dim + value_dim, hidden, generator)
        self.error_in = Dense(value_dim, hidden, generator, bias=False)
        self.between = Dense(hidden, hidden, generator)
        self.write_logit = nn.Parameter(torch.tensor(WRITE_LOGIT))
        self.decay_logit = nn.Parameter(torch.tensor(DECAY_LOGIT))
        self.heads = Dense(hidden, 2 + key_dim + value_dim, generator=None, bias=False)

    @classmethod
    @override
    def from_budget(
        cls, budget: int, key_dim: int, value_dim: int, **params: Any
    ) -> dict[str, Any]:
        return only_size(key_dim * value_dim, budget)

    @override
    def init_state(self) -> State:
        return {
            "fast_weights": self.key_in.new_zeros(self.key_dim, self.value_dim),
            "count": self.key_in.new_zeros((), dtype=torch.int64),
        }

    @override
    def write(
        self,
        state: State,
        keys: Tensor,
        values: Tensor,
        times: Tensor | None = None,
        contexts: Tensor | None = None,
    ) -> State:
        weights = state["fast_weights"]
        # what the network sees of key and value does not wait for earlier events
        known = self.known_in(torch.cat([unit(keys), unit(values)], dim=-1))
        for k, v, x in zip(self._address(keys), values, known, strict=True):
            error = v - k @ weights
            strength, decay, key_change, error_change = self._rule(x, error)
            update = torch.outer(unit(k + key_change), error + error_change)
            weights = decay * weights + strength * update
        return {"fast_weights": weights, "count": state["count"] + keys.shape[0]}

    @override
    def read(
        self,
        state: State,
        queries: Tensor,
        times: Tensor | None = None,
        contexts: Tensor | None = None,
    ) -> Tensor:
        return self._address(queries) @ state["fast_weights"]

    def _address(self, keys: Tensor) -> Tensor:
        """Projected unit keys or queries [N, D]."""
        return unit(keys @ self.key_in)

    def _rule(self, known: Tensor, error: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Strength and decay, scalars, and the changes of key [D] and error [V] for one event.

        Args:
            known: What key and value give the first layer, [hidden].
            error: [V].
        """
        features = (known + self.error_in(unit(error))).relu()
        heads = self.heads(self.between(features).relu())
        strength = (self.write_logit + heads[0]).sigmoid()
        decay = (self.decay_logit + heads[1]).sigmoid()
        return strength, decay, heads[2 : 2 + self.key_dim], heads[2 + self.key_dim :]
