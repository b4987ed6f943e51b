"""Episodes bound to a context that drifts with the keys: the temporal context model."""

from __future__ import annotations

from typing import Annotated, Any

import torch
from annotated_types import Gt, Lt
from torch import Tensor
from typing_extensions import override

from bench.registry import memory
from memories.ar.drift import ContextDrift, drift_width
from memories.base import State
from memories.episodic.episodic_linear import EpisodicLinear
from memories.slots.masked_softmax import masked_softmax


@memory("ar-context-drift", family="ar", source="Howard & Kahana 2002")
class ArContextDrift(EpisodicLinear):
    """Recalls like `episodic-linear`, in the context of what was last seen; also what came next.

    An event is stored with the context as it stands before its own key is mixed in, or with the
    context that is given for it. Then the context drifts towards the key, or towards the context
    given: c <- unit(lambda c + sqrt(1 - lambda^2) unit(k U)). A read without a context uses the
    present one as its cue, which favours recent events.

    `successor` drifts on from the context of what a query recalls, which for an exact match is
    the context the following event was stored with, and reads by that context alone.

    State: as `episodic-linear`, and ``drift`` [C] the present context. Slow weights: as there,
    U [D, C] and the logit of lambda.

    Args:
        key_dim: D.
        value_dim: V.
        context_dim: Width C of contexts; 0 for a context of min(32, D) made of keys alone.
        decay: Initial lambda.
        cue_with_state: Whether a read without a context uses the present one.
        generator: Source of U.
    """

    recalls_order = True

    def __init__(
        self,
        key_dim: int,
        value_dim: int,
        *,
        context_dim: int,
        decay: Annotated[float, Gt(0), Lt(1)] = 0.9,
        cue_with_state: bool = True,
        generator: torch.Generator,
        **options: Any,
    ) -> None:
        width = drift_width(key_dim, context_dim)
        super().__init__(key_dim, value_dim, context_dim=width, **options)
        self.cue_with_state = cue_with_state
        self.drift = ContextDrift(key_dim, width, decay, generator)

    @classmethod
    @override
    def from_budget(
        cls, budget: int, key_dim: int, value_dim: int, **params: Any
    ) -> dict[str, Any]:
        given = {"generator": torch.Generator(), **params}
        return super().from_budget(budget, key_dim, value_dim, **given)

    @override
    def init_state(self) -> State:
        return {**super().init_state(), "drift": self.log_beta.new_zeros(self.context_dim)}

    @override
    def write(
        self,
        state: State,
        keys: Tensor,
        values: Tensor,
        times: Tensor | None = None,
        contexts: Tensor | None = None,
    ) -> State:
        given = self._context_cue(contexts)
        path = self.drift.path(state["drift"], self.drift.of_keys(keys) if given is None else given)
        stored = path[:-1] if given is None else given
        return {**super().write(state, keys, values, times, stored), "drift": path[-1]}

    @override
    def event_rows(
        self,
        state: State,
        keys: Tensor,
        values: Tensor,
        times: Tensor | None,
        contexts: Tensor | None,
    ) -> dict[str, Tensor]:
        rows = super().event_rows(state, keys, values, times, contexts)
        # before the first event there is no context to store
        return {**rows, "has_context": (rows["contexts"] != 0).any(-1)}

    @override
    def successor(self, state: State, queries: Tensor) -> Tensor:
        """Values [Q, V] of the events stored in the context that follows the queries' own.

        c' = unit(lambda c + sqrt(1 - lambda^2) unit(q U)) for the mean context c of the events
        whose keys match q, weighted by softmax(beta cos); then a read with a zero key and c'.
        """
        usable = self.valid(state) & state["has_context"]
        contexts = torch.where(usable[:, None], state["contexts"], 0.0)
        logits = self.log_beta.exp() * self._similarity(state, queries)
        matched = masked_softmax(logits, self.valid(state)) @ contexts
        following = self.drift(matched, self.drift.of_keys(queries))
        return self.read(state, torch.zeros_like(queries), contexts=following)

    @override
    def _cues(self, state: State, times: Tensor | None, contexts: Tensor | None) -> Tensor:
        if contexts is None and self.cue_with_state:
            contexts = state["drift"][None]
        return super()._cues(state, times, contexts)
