"""The hierarchical primitive memory itself: banks, router, aggregator and gate in one module."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor, nn

from memories.base import State
from memories.dense import Dense
from memories.hpm.aggregator import CrossBankAttention, weighted_mean
from memories.hpm.bank_router import BankRouter, Routing
from memories.hpm.dynamic_banks import DynamicBanks
from memories.hpm.event_ring import NO_ID, empty_rings, not_held, write_events
from memories.hpm.freezing import frozen_after
from memories.hpm.load_balance import accumulated_balance, batch_balance
from memories.hpm.nearest_events import Neighbours
from memories.hpm.settings import Settings
from memories.hpm.static_banks import StaticBanks

OUTPUT_SCALE = 0.1
"""The output map starts as so much of the identity."""
USED = ("primitives", "values")
"""Parameters of the static banks of which rows are frozen."""


class HierarchicalPrimitiveMemory(nn.Module):
    """Adds to codes what up to six banks answer to them, through a gate that starts closed.

    HPM v2 (peymanrah/SCI-ARC, 2025), corrected or as published. Each code z is sent to k banks
    (`BankRouter`); their answers o_b (`StaticBanks`, `DynamicBanks`) are aggregated
    (`CrossBankAttention`, or their weighted mean), and z_out = z + tanh(alpha) dz with
    dz = W_o agg + b_o, alpha = 0 and W_o = 0.1 I before training. Frozen primitives leave the
    query maps, levels, router and output free: a frozen primitive is not a frozen function.

    State: ``usage`` and ``frozen`` [nS, L, K]; ``route_count``, ``route_prob`` [nB] and
    ``route_n``, sums since `reset_epoch`; of nD dynamic banks of C events ``dyn_key`` and
    ``dyn_val`` [nD, C + 1, D], ``dyn_id`` and ``dyn_time`` [nD, C + 1], ``dyn_head``,
    ``dyn_size`` and ``dyn_evicted`` [nD]. Not enabled, it has no parameters, answers z itself, and
    its state is that of the dynamic banks alone, if it collects.

    Args:
        width: D.
        settings: Everything else.
        generator: Source of all initial weights.

    Raises:
        InvalidParameter: If the settings do not fit the width.
    """

    _like: Tensor
    alpha: Tensor

    def __init__(self, width: int, settings: Settings, *, generator: torch.Generator) -> None:
        super().__init__()
        self.width, self.settings = width, settings
        # lanes must agree in all of it but the temperature, which is a buffer
        self.declared = {**asdict(settings), "temperature": None}
        self.register_buffer("_like", torch.zeros(()), persistent=False)
        if not settings.enabled:
            return
        self._build_banks(generator)
        self.router = BankRouter(
            width,
            len(settings.banks),
            settings.routed,
            single=settings.behaviour.k1_weight,
            generator=generator,
        )
        self.aggregator = (
            CrossBankAttention(width, scope=settings.behaviour.xattn_scope, generator=generator)
            if settings.cross_attention
            else None
        )
        self.output = Dense(width, width, None)
        with torch.no_grad():
            self.output.weight.copy_(OUTPUT_SCALE * torch.eye(width))
        if settings.gate_open:
            self.alpha = nn.Parameter(torch.zeros(()))
        else:
            self.register_buffer("alpha", torch.zeros(()))

    def _build_banks(self, generator: torch.Generator) -> None:
        """Those in use."""
        settings, width = self.settings, self.width
        if settings.static:
            self.static = StaticBanks(
                width,
                len(settings.static),
                settings.sizes,
                guided=settings.guided,
                generator=generator,
            )
        if settings.dynamic:
            self.dynamic = DynamicBanks(
                width,
                len(settings.dynamic),
                count=settings.retrieval_k,
                scale=settings.behaviour.dyn_scale,
                temperature=settings.temperature,
                init=settings.behaviour.dyn_init,
                generator=generator,
            )

    def init_state(self) -> dict[str, Tensor]:
        """Nothing used, nothing frozen, no event."""
        like, settings = self._like, self.settings
        rings = {}
        if settings.enabled or settings.collect:
            rings = empty_rings(
                like, len(settings.dynamic), settings.capacity, self.width, self.width
            )
        if not settings.enabled:
            return rings
        levels = settings.sizes
        primitives = (len(settings.static), len(levels), max(levels))
        return {
            "usage": like.new_zeros(primitives),
            "frozen": like.new_zeros(primitives, dtype=torch.bool),
            "route_count": like.new_zeros(len(settings.banks)),
            "route_prob": like.new_zeros(len(settings.banks)),
            "route_n": like.new_zeros(()),
            **rings,
        }

    def retrieve(self, state: State, z: Tensor, exclude_ids: Tensor | None = None) -> Neighbours:
        """The events that `forward` uses for codes [Q, D]; there must be a dynamic bank in use.

        They depend on codes and state alone, so that a trainer finds them once for many steps.
        """
        excluded = exclude_ids if self.settings.behaviour.exclude_self else None
        return self.dynamic.retrieve(state, z, excluded)

    def forward(
        self,
        state: State,
        z: Tensor,
        exclude_ids: Tensor | None = None,
        *,
        neighbours: Neighbours | None = None,
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Codes z_out [Q, D] for codes [Q, D], and how they came about; changes no state.

        Args:
            state: See above.
            z: [Q, D].
            exclude_ids: Ids [Q] of events that may not answer, -1 for none; or None.
            neighbours: What `retrieve` gave for the same codes; None to find them here.

        Returns:
            z_out, and: ``l``, ``l/T``, ``p``, ``w`` and ``selected`` [Q, nB], see `Routing`; ``dz``
            [Q, D], what is added before the gate; ``a`` [Q, nS, L, K], attention within the levels
            of the static banks; ``nn_idx`` and ``nn_cos`` [nD, Q, m], slots and cosines of the
            events retrieved. Empty if not enabled.
        """
        if not self.settings.enabled:
            return z, {}
        aux: dict[str, Tensor] = {}
        answers = []
        if self.settings.static:
            static, aux["a"] = self.static(z, state["frozen"])
            answers.append(static)
        if self.settings.dynamic:
            if neighbours is None:
                neighbours = self.retrieve(state, z, exclude_ids)
            aux |= {"nn_idx": neighbours.slots, "nn_cos": neighbours.cosine}
            answers.append(self.dynamic(state, z, neighbours))
        outputs = torch.cat(answers, dim=1)
        routing: Routing = self.router(z, self._available(state))
        aggregated = (
            weighted_mean(outputs, routing.weights)
            if self.aggregator is None
            else self.aggregator(z, outputs, routing.weights)
        )
        dz = self.output(aggregated)
        aux |= {
            "l": routing.logits,
            "l/T": routing.scaled,
            "p": routing.probabilities,
            "w": routing.weights,
            "selected": routing.selected,
            "dz": dz,
        }
        return z + self.alpha.tanh() * dz, aux

    def _available(self, state: State) -> Tensor | None:
        """Banks that can answer, bool [nB]; None for all."""
        settings = self.settings
        if not (settings.dynamic and settings.behaviour.mask_empty):
            return None
        filled = state["dyn_size"] > 0
        return torch.cat([filled.new_ones(len(settings.static)), filled])

    def write(
        self,
        state: State,
        keys: Tensor,
        values: Mapping[str, Tensor],
        ids: Tensor | None = None,
        times: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """The state after N events were stored, in order; the same state if it does not collect.

        Args:
            state: See above.
            keys: Codes [N, D].
            values: By dynamic bank, [N, D]; banks that are not named store nothing.
            ids: [N], -1 for none; None for none at all.
            times: [N]; None for the number of events that the bank stored before.

        Raises:
            KeyError: If a bank is named that is not a dynamic bank in use.
        """
        settings, after = self.settings, dict(state)
        if not settings.collect:
            return after
        known: dict[str, int] = {name: bank for bank, name in enumerate(settings.dynamic)}
        banks = {known[name]: given for name, given in values.items()}
        if ids is None:
            ids = torch.full((keys.shape[0],), NO_ID, device=keys.device)
        keep = torch.ones_like(ids, dtype=torch.bool)
        if settings.deduplicate and banks:
            keep = not_held(state, list(banks), ids)
        for bank, given in banks.items():
            number = state["dyn_size"][bank] + state["dyn_evicted"][bank] + keep.cumsum(0) - 1
            events = {
                "dyn_key": keys,
                "dyn_val": given,
                "dyn_id": ids,
                "dyn_time": number if times is None else times,
            }
            after |= write_events(after, bank, events, keep)
        return after

    def account(self, state: State, aux: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The state after a training forward: the usage of primitives, and where queries went.

        Usage grows by the batch mean of attention: each level's total by one per forward.
        """
        if not self.settings.enabled:
            return dict(state)
        sums = {name: entry.detach() for name, entry in aux.items()}
        by_weight = self.settings.behaviour.balance == "source"
        counted = sums["w"] if by_weight else sums["selected"].to(sums["p"].dtype)
        after = {
            **state,
            "route_count": state["route_count"] + counted.sum(0),
            "route_prob": state["route_prob"] + sums["p"].sum(0),
            "route_n": state["route_n"] + counted.shape[0],
        }
        if "a" in sums:
            after["usage"] = state["usage"] + sums["a"].mean(0)
        return after

    def balance_loss(self, state: State, aux: Mapping[str, Tensor]) -> Tensor:
        """How unevenly the banks are asked, a scalar; 0 if not enabled.

        Args:
            state: After `account` of the same forward; the published form takes its sums.
            aux: What `forward` said.
        """
        if not self.settings.enabled:
            return self._like
        if self.settings.behaviour.balance == "batch":
            return batch_balance(aux["p"], aux["selected"], self.settings.routed)
        count, probability, queries = (state[f"route_{name}"] for name in ("count", "prob", "n"))
        return accumulated_balance(count, probability, queries, self.settings.routed)

    def freeze(self, state: State) -> dict[str, Tensor]:
        """The state after the freezing rule was applied, see `freezing.frozen_after`."""
        settings = self.settings
        if not (settings.enabled and settings.static):
            return dict(state)
        lasting = settings.behaviour.freeze_monotone
        frozen = frozen_after(
            state["usage"],
            state["frozen"],
            settings.sizes,
            threshold=settings.usage_threshold,
            top_fraction=settings.top_fraction,
            max_fraction=settings.max_frozen_fraction if lasting else None,
        )
        return {**state, "frozen": frozen}

    def reset_epoch(self, state: State) -> dict[str, Tensor]:
        """The state at the start of an epoch: usage and routing sums are zero again."""
        names = ("usage", "route_count", "route_prob", "route_n")
        sums = {name: torch.zeros_like(state[name]) for name in names if name in state}
        return {**state, **sums}

    def held(self, state: State) -> dict[str, Tensor]:
        """Which weights an optimiser may not move, bool, by parameter name; the others are free."""
        settings = self.settings
        if not (settings.enabled and settings.static and settings.behaviour.freeze_mode == "hard"):
            return {}
        rows = state["frozen"][..., None]
        own: dict[str, Any] = dict(self.static.named_parameters())
        return {f"static.{name}": rows.expand(own[name].shape) for name in USED if name in own}
