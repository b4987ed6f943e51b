"""Routers that break one law each, and the one that breaks none."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn
from typing_extensions import override

from bench.audit.labelled_events import KEY_DIM, LABELS
from memories.base import Router, State
from memories.slots.ring import ring_valid, ring_write

SLOTS = 20


class Nearest(Router):
    """Scores each label by its largest cosine plus a trained offset: keeps all laws."""

    slot_state = ("z",)
    excludes = True
    banks = ("near", "far")
    offset: Tensor

    def __init__(self, *, continual: bool = False) -> None:
        super().__init__()
        self.continual = continual
        self.offset = nn.Parameter(torch.zeros(LABELS))

    @override
    def init_state(self) -> State:
        whole = torch.zeros(SLOTS, dtype=torch.int64)
        state = {"z": torch.zeros(SLOTS, KEY_DIM), "label": whole, "id": whole - 1}
        trained = {"offset": torch.zeros(LABELS)} if self.continual else {}
        return {**state, **trained, "count": torch.zeros((), dtype=torch.int64)}

    @override
    def valid(self, state: State) -> Tensor:
        return ring_valid(state["count"], SLOTS)

    @override
    def learn(self, state: State, z: Tensor, labels: Tensor, ids: Tensor) -> State:
        slots = {name: state[name] for name in ("z", "label", "id")}
        slots = ring_write(slots, {"z": z, "label": labels, "id": ids}, state["count"])
        return {**state, **slots, "count": state["count"] + z.shape[0]}

    @override
    def route(
        self, state: State, z: Tensor, exclude_ids: Tensor | None = None
    ) -> tuple[Tensor, Tensor, State]:
        usable = self.usable(state, z, exclude_ids)
        cosines = torch.where(usable, z @ torch.where(self.valid(state)[:, None], state["z"], 0).mT,
                              -2.0)  # fmt: skip
        own = state["label"][:, None] == torch.arange(LABELS)
        best = torch.where(own, cosines[..., None], -2.0).amax(-2)
        scores = best + state.get("offset", self.offset)
        near = best.amax(-1).clamp(min=0, max=1)
        return scores, torch.stack([near, 1 - near], -1), state

    def usable(self, state: State, z: Tensor, exclude_ids: Tensor | None) -> Tensor:
        usable = self.valid(state).expand(z.shape[0], -1)
        if exclude_ids is None:
            return usable
        return usable & ~((state["id"] == exclude_ids[:, None]) & (exclude_ids >= 0)[:, None])

    @override
    def fit(self, train, generator: torch.Generator) -> None:
        drawn = torch.rand(LABELS, generator=generator)
        with torch.no_grad():
            self.offset += 0.01 * torch.bincount(train["label"], minlength=LABELS) * drawn

    @override
    def fit_stage(
        self, state: State, z: Tensor, labels: Tensor, ids: Tensor, order: Tensor
    ) -> State:
        counts = (labels[:, None] == torch.arange(LABELS)).sum(0)
        after = self.learn(state, z, labels, ids)
        return {**after, "offset": state["offset"] + 0.01 * counts}


class CountsItsRoutes(Nearest):
    """Counts a route in the state it was lent."""

    @override
    def route(self, state, z, exclude_ids=None):
        state["count"].add_(1)
        return super().route(state, z, exclude_ids)


class RoutesAtRandom(Nearest):
    """Adds noise of its own to the scores."""

    noise: ClassVar = torch.Generator().manual_seed(0)

    @override
    def route(self, state, z, exclude_ids=None):
        scores, routing, after = super().route(state, z, exclude_ids)
        return scores + torch.randn(LABELS, generator=self.noise), routing, after


class WritesIntoItsState(Nearest):
    """Stores events in place."""

    @override
    def learn(self, state, z, labels, ids):
        after = super().learn(state, z, labels, ids)
        state["z"].copy_(after["z"])
        return after


class CentresItsCodes(Nearest):
    """Subtracts a mean from the codes it was lent."""

    @override
    def learn(self, state, z, labels, ids):
        z -= z.mean(0)
        return super().learn(state, z, labels, ids)


class StartsAtRandom(Nearest):
    """Draws an entry from a generator shared by all."""

    noise: ClassVar = torch.Generator().manual_seed(0)

    @override
    def init_state(self):
        return {**super().init_state(), "noise": torch.randn(3, generator=self.noise)}


class RemembersOutside(Nearest):
    """Keeps a sum outside the state."""

    def __init__(self) -> None:
        super().__init__()
        self.total = 0.0

    @override
    def learn(self, state, z, labels, ids):
        self.total += float(z.sum())
        return super().learn(state, z, labels, ids)

    @override
    def route(self, state, z, exclude_ids=None):
        scores, routing, after = super().route(state, z, exclude_ids)
        return scores + self.total, routing, after


class PeeksAhead(Nearest):
    """Looks past its own event into those that follow in memory."""

    @override
    def learn(self, state, z, labels, ids):
        start = z.storage_offset() + z.numel()
        behind = z.untyped_storage().nbytes() // z.element_size() - start
        if behind < z.numel():
            return super().learn(state, z, labels, ids)
        return super().learn(state, z + 0.1 * z.as_strided(z.shape, z.stride(), start), labels, ids)


class AnswersWithWhatIsLeftOut(Nearest):
    """Says that it excludes, and does not."""

    @override
    def usable(self, state, z, exclude_ids):
        return super().usable(state, z, None)


class ExcludesWhatHasNoId(Nearest):
    """Takes -1 for an id: queries with nothing to leave out lose their first event."""

    @override
    def usable(self, state, z, exclude_ids):
        if exclude_ids is None:
            return super().usable(state, z, None)
        first = torch.where(exclude_ids < 0, state["id"][0], exclude_ids)
        return super().usable(state, z, first)


class Grows(Nearest):
    """Keeps every event."""

    slot_state = ()

    @override
    def valid(self, state):
        return torch.ones(len(state["z"]), dtype=torch.bool)

    @override
    def learn(self, state, z, labels, ids):
        new = {"z": z, "label": labels, "id": ids}
        return {**state, **{n: torch.cat([state[n], part]) for n, part in new.items()}}


class RoutesPastOne(Nearest):
    """Its banks' probabilities add up to two."""

    @override
    def route(self, state, z, exclude_ids=None):
        scores, routing, after = super().route(state, z, exclude_ids)
        return scores, 2 * routing, after


class ForgetsABank(Nearest):
    """Names two banks and answers with one."""

    @override
    def route(self, state, z, exclude_ids=None):
        scores, routing, after = super().route(state, z, exclude_ids)
        return scores, routing[:, :1], after


class DividesByZero(Nearest):
    """Divides what it stores by nothing."""

    @override
    def learn(self, state, z, labels, ids):
        after = super().learn(state, z, labels, ids)
        return {**after, "z": after["z"] / torch.zeros(())}


class AveragesItsCall(Nearest):
    """Subtracts the mean of the events of one call."""

    @override
    def learn(self, state, z, labels, ids):
        return super().learn(state, z - z.mean(0), labels, ids)


class AveragesItsQueries(Nearest):
    """Subtracts the mean of the queries of one call."""

    @override
    def route(self, state, z, exclude_ids=None):
        return super().route(state, z - z.mean(0), exclude_ids)


class MixesLanes(Nearest):
    """Adds the scores of whoever was asked last."""

    last: ClassVar[list[Tensor]] = []
    vectorized = False

    @override
    def route(self, state, z, exclude_ids=None):
        scores, routing, after = super().route(state, z, exclude_ids)
        before = self.last[-1] if self.last else torch.zeros_like(scores)
        self.last.append(scores)
        same = before.shape == scores.shape
        return scores + before if same else scores, routing, after


class ReadsUnusedSlots(Nearest):
    """Adds the mean of all slots, used or not."""

    @override
    def route(self, state, z, exclude_ids=None):
        scores, routing, after = super().route(state, z, exclude_ids)
        return scores + state["z"].mean(), routing, after


class FitsAtRandom(Nearest):
    """Draws its weights from a generator of its own."""

    noise: ClassVar = torch.Generator().manual_seed(0)

    @override
    def fit(self, train, generator):
        super().fit(train, self.noise)


class SortsItsTraining(Nearest):
    """Sorts the labels it was lent."""

    @override
    def fit(self, train, generator):
        super().fit(train, generator)
        train["label"].copy_(train["label"].sort().values)


class TrainsInPlace(Nearest):
    """Adds to the weights of the state it was lent."""

    @override
    def fit_stage(self, state, z, labels, ids, order):
        after = super().fit_stage(state, z, labels, ids, order)
        state["offset"].copy_(after["offset"])
        return after


class TrainsAtRandom(Nearest):
    """Trains differently each time."""

    noise: ClassVar = torch.Generator().manual_seed(0)

    @override
    def fit_stage(self, state, z, labels, ids, order):
        after = super().fit_stage(state, z, labels, ids, order)
        return {**after, "offset": torch.rand(LABELS, generator=self.noise)}


class LosesItsWeights(Nearest):
    """Leaves an entry of its state behind."""

    @override
    def fit_stage(self, state, z, labels, ids, order):
        after = super().fit_stage(state, z, labels, ids, order)
        return {name: entry for name, entry in after.items() if name != "offset"}
