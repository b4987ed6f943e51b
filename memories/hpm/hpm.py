"""Hierarchical primitive memory as a router: static and dynamic banks, one head over labels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, TypeAlias

import torch
from annotated_types import Ge, Gt, Le
from torch import Tensor, nn
from typing_extensions import override

from bench.registry import memory
from memories.base import InvalidParameter, State
from memories.dense import Dense
from memories.features import unit
from memories.hpm.behaviour import (
    Balance,
    Behaviour,
    DynInit,
    DynScale,
    FreezeMode,
    Scope,
    SingleWeight,
    Variant,
)
from memories.hpm.core import HierarchicalPrimitiveMemory
from memories.hpm.nearest_events import Neighbours
from memories.hpm.settings import BANKS, Bank, Settings
from memories.routers.trained_router import Evidence, Readout, TrainedRouter

Size: TypeAlias = Literal["default", "large"]
SIZES: Mapping[Size, tuple[int, int]] = {"default": (16, 2), "large": (32, 3)}
"""Primitives per bank and levels, as the published configurations have them."""
Share: TypeAlias = Annotated[float, Gt(0), Le(1)]


class LabelledMemory(nn.Module):
    """Label scores from what hierarchical primitive memory makes of a code.

    Args:
        core: The memory.
        labels: Scores.
        residual: Whether the head sees the gated code z_out, or dz alone.
        generator: Source of the head, uniform as in `torch.nn.Linear`.
    """

    def __init__(
        self,
        core: HierarchicalPrimitiveMemory,
        labels: int,
        *,
        residual: bool,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.core, self.residual = core, residual
        self.head = Dense(core.width, labels, generator)

    def forward(
        self,
        state: State,
        codes: Tensor,
        exclude_ids: Tensor | None = None,
        *,
        neighbours: Neighbours | None = None,
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Scores [Q, labels] of codes [Q, d], and what the memory says of them."""
        out, aux = self.core(state, codes, exclude_ids, neighbours=neighbours)
        return self.head(out if self.residual else aux["dz"]), aux


@memory("hpm", family="hpm", source="HPM v2 (peymanrah/SCI-ARC, 2025), corrected")
class Hpm(TrainedRouter):
    """Routes a code to two of six banks, of trained primitives and of events, and scores labels.

    Codes c = sqrt(d) z enter `HierarchicalPrimitiveMemory`; a linear head scores labels. `learn`
    stores (c, c) in the instance bank and (c, sqrt(d) r_y) in the procedural bank, r_y a fixed
    random unit code of label y. `fit` takes 60 % of its steps with empty dynamic banks, stores the
    training events, and takes the rest with retrieval, in which no event answers itself.
    `fit_stage` trains with what the stages before stored, then freezes, stores the stage's events
    and resets the usage counters. The loss adds 0.01 times the balance loss.

    State: that of `HierarchicalPrimitiveMemory`; ``weights`` if `continual`.

    Args:
        key_dim: d.
        label_groups: Group of each label.
        max_events: Events the task will write; the capacity unless one is given.
        continual: Whether `fit_stage` trains it.
        banks: Banks in use, whatever their order.
        size: Published configuration of the static banks: 16 primitives in two levels, or 32 in
            three.
        primitives_per_bank: Primitives of a static bank, over all levels; null for the size's.
        levels_per_bank: Levels of a static bank; null for the size's.
        guided: Whether attention to a level is guided by that to the level before.
        top_k: Banks k a code is sent to.
        use_cross_attention: Whether the code attends to the banks' answers, beside their mean.
        capacity: Events of a dynamic bank.
        retrieval_k: Events retrieved from a dynamic bank.
        temperature: Of retrieved events' weights, with `dyn_scale` cos-tau.
        deduplicate: Whether an event whose id is stored already is dropped.
        balance_weight: Weight of the balance loss.
        usage_threshold: Usage, in training steps, from which a level is frozen.
        top_fraction: Share of such a level that is frozen, its most used primitives.
        max_frozen_fraction: Largest share of a level that is ever frozen.
        readout: What the head sees: the memory's answer dz, or the code with the gated answer.
        gate: ``closed`` holds the gate at zero: with readout residual, the control that shows what
            a head alone can do.
        route_supervision: Weight of the cross-entropy between the static banks' probabilities and
            the label's group, one bank each.
        variant: Corrected or published behaviour, wherever a flag below is null.
        balance: Balance loss: of the batch, or the published one, which has no gradient.
        xattn_scope: Banks that cross-attention sees.
        k1_weight: Weight of the bank with `top_k` 1.
        mask_empty: Whether empty dynamic banks are left out.
        freeze_mode: Whether frozen primitives keep their bits, or lose only their gradient.
        freeze_monotone: Whether what is frozen stays so.
        dyn_init: Start of the dynamic banks' query maps, with `dyn_scale` sqrt-d.
        dyn_scale: Weights of retrieved events: by cosine and temperature, or by mapped products.
        exclude_self: Whether an event can be kept from answering its own query.
        generator: Source of all initial weights and of the labels' codes.

    Raises:
        InvalidParameter: If the sizes do not fit, the gate is closed where no one sees it, or
            supervised routing has not one static bank per group.
    """

    share_before_storing = 0.6
    network: LabelledMemory
    procedures: Tensor

    def __init__(
        self,
        key_dim: int,
        label_groups: tuple[int, ...],
        *,
        max_events: int,
        continual: bool = False,
        banks: tuple[Bank, ...] = BANKS,
        size: Size = "default",
        primitives_per_bank: Annotated[int, Ge(1)] | None = None,
        levels_per_bank: Annotated[int, Ge(1)] | None = None,
        guided: bool = False,
        top_k: Annotated[int, Ge(1)] = 2,
        use_cross_attention: bool = True,
        capacity: Annotated[int, Ge(1)] | None = None,
        retrieval_k: Annotated[int, Ge(1)] = 5,
        temperature: Annotated[float, Gt(0)] = 0.05,
        deduplicate: bool = True,
        balance_weight: Annotated[float, Ge(0)] = 0.01,
        usage_threshold: Annotated[float, Gt(0)] = 100.0,
        top_fraction: Share = 0.3,
        max_frozen_fraction: Share = 0.5,
        readout: Readout = "memory-only",
        gate: Literal["learned", "closed"] = "learned",
        route_supervision: Annotated[float, Ge(0)] = 0.0,
        variant: Variant = "corrected",
        balance: Balance | None = None,
        xattn_scope: Scope | None = None,
        k1_weight: SingleWeight | None = None,
        mask_empty: bool | None = None,
        freeze_mode: FreezeMode | None = None,
        freeze_monotone: bool | None = None,
        dyn_init: DynInit | None = None,
        dyn_scale: DynScale | None = None,
        exclude_self: bool | None = None,
        generator: torch.Generator,
    ) -> None:
        super().__init__(
            key_dim, label_groups, continual=continual, route_supervision=route_supervision
        )
        if gate == "closed" and readout == "memory-only":
            raise InvalidParameter(
                "gate",
                "is closed, but a memory-only head does not look through it",
                help="set readout: residual for the control with a closed gate",
            )
        primitives, levels = SIZES[size]
        settings = Settings(
            banks=banks,
            top_k=top_k,
            primitives=primitives_per_bank or primitives,
            levels=levels_per_bank or levels,
            guided=guided,
            cross_attention=use_cross_attention,
            capacity=capacity or max_events,
            retrieval_k=retrieval_k,
            temperature=temperature,
            deduplicate=deduplicate,
            usage_threshold=usage_threshold,
            top_fraction=top_fraction,
            max_frozen_fraction=max_frozen_fraction,
            gate_open=gate == "learned",
            behaviour=Behaviour.of(
                variant,
                balance=balance,
                xattn_scope=xattn_scope,
                k1_weight=k1_weight,
                mask_empty=mask_empty,
                freeze_mode=freeze_mode,
                freeze_monotone=freeze_monotone,
                dyn_init=dyn_init,
                dyn_scale=dyn_scale,
                exclude_self=exclude_self,
            ),
        )
        self._build(settings, len(label_groups), balance_weight, readout, generator)
        self.require_specialists(label_groups)

    def _build(
        self,
        settings: Settings,
        labels: int,
        balance_weight: float,
        readout: Readout,
        generator: torch.Generator,
    ) -> None:
        """The network, the labels' codes, and what the router tells of itself."""
        self.banks, self.top_k = settings.banks, settings.routed
        self.specialists = len(settings.static)
        # without stored events none answers
        self.excludes = settings.behaviour.exclude_self or not settings.dynamic
        self.balance_weight = balance_weight
        core = HierarchicalPrimitiveMemory(self.key_dim, settings, generator=generator)
        self.network = LabelledMemory(
            core, labels, residual=readout == "residual", generator=generator
        )
        codes = unit(torch.randn(labels, self.key_dim, generator=generator))
        self.register_buffer("procedures", codes)

    @property
    def core(self) -> HierarchicalPrimitiveMemory:
        """The memory under the head."""
        return self.network.core

    @override
    def empty(self) -> State:
        return self.core.init_state()

    @override
    def probabilities(self, aux: Mapping[str, Tensor]) -> Tensor:
        return aux["p"]

    @override
    def penalty(self, state: State, aux: Mapping[str, Tensor], labels: Tensor) -> Tensor:
        balance = self.core.balance_loss(state, aux)
        return super().penalty(state, aux, labels) + self.balance_weight * balance

    @override
    def evidence(self, state: State, codes: Tensor, ids: Tensor) -> Evidence:
        if not self.core.settings.dynamic:
            return super().evidence(state, codes, ids)
        near = self.core.retrieve(state, codes, ids)
        return lambda rows: {"neighbours": Neighbours(*(entry[:, rows] for entry in near))}

    @override
    def account(self, state: State, aux: Mapping[str, Tensor]) -> State:
        return self.core.account(state, aux)

    @override
    def held(self, state: State) -> Mapping[str, Tensor]:
        return {f"core.{name}": mask for name, mask in self.core.held(state).items()}

    @override
    def end_stage(self, state: State, z: Tensor, labels: Tensor, ids: Tensor) -> State:
        return self.core.reset_epoch(self.learn(self.core.freeze(state), z, labels, ids))

    @override
    def learn(self, state: State, z: Tensor, labels: Tensor, ids: Tensor) -> State:
        codes = self.scaled(z)
        values: dict[str, Tensor] = {
            "procedural": self.scaled(self.procedures[labels]),
            "instance": codes,
        }
        used: dict[str, Tensor] = {bank: values[bank] for bank in self.core.settings.dynamic}
        return self.core.write(state, codes, used, ids)

    @override
    def report(self, state: State) -> Mapping[str, Tensor]:
        told = {"gate": self.weights(state).get("core.alpha", self.core.alpha).tanh()}
        if self.specialists:
            rooms = ~self.core.static.padding.expand_as(state["frozen"])
            told["frozen_share"] = state["frozen"].sum() / rooms.sum()
        for bank, name in enumerate(self.core.settings.dynamic):
            told[f"{name}_stored"] = state["dyn_size"][bank]
            told[f"{name}_evicted"] = state["dyn_evicted"][bank]
        return told
