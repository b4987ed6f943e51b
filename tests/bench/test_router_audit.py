"""The laws of routers hold for an honest one, and each convicts its offender."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch

from bench.audit import Verdict, audit, router, router_training
from bench.audit.labelled_events import LABELS, Events, Fitted
from memories.base import Router
from tests.bench import router_offenders as offenders
from tests.bench.router_offenders import Nearest

LAWS = (*router.LAWS, router_training.FIT, router_training.STAGES)


def verdict(law: Any, cls: Callable[..., Router]) -> Verdict:
    """As `audit` tries it: on fitted routers, on a new one, on one to be trained in stages."""
    if law is router_training.FIT:
        return law.verdict(lambda _seed: cls())
    if law is router_training.STAGES:
        return law.verdict(lambda _seed: cls(continual=True))
    return law.verdict(Fitted(lambda _seed: cls()))


def test_the_router_that_offenders_are_made_from_keeps_every_law() -> None:
    assert {law.name: verdict(law, Nearest).outcome for law in LAWS} == {
        law.name: "held" for law in LAWS
    }


OFFENDERS = [
    (offenders.CountsItsRoutes, "read-purity", "route changed the state: count"),
    (offenders.RoutesAtRandom, "read-purity", "twice from the same state gives different"),
    (offenders.RoutesAtRandom, "determinism", "give different answers"),
    (offenders.WritesIntoItsState, "arguments", "changed its input state in place: z"),
    (offenders.CentresItsCodes, "arguments", "codes were changed in place"),
    (offenders.StartsAtRandom, "determinism", "differ in state: noise"),
    (offenders.StartsAtRandom, "reset", "init_state remembers earlier events: noise"),
    (offenders.RemembersOutside, "reset", "there is state outside state"),
    (offenders.RemembersOutside, "restore", "there is state outside the state"),
    (offenders.PeeksAhead, "causality", "with events after t=0 replaced, the answers after 0"),
    (offenders.AnswersWithWhatIsLeftOut, "exclusion", "answer without event 0"),
    (offenders.ExcludesWhatHasNoId, "exclusion", "with nothing left out"),
    (offenders.Grows, "layout", "learn changed the layout of id, label, z"),
    (offenders.RoutesPastOne, "layout", "the routing is no probability"),
    (offenders.ForgetsABank, "layout", "routing have shape [24, 1], expected [24, 2]"),
    (offenders.DividesByZero, "layout", "entry 'z' is not finite"),
    (offenders.AveragesItsCall, "composition", "answers, cut at"),
    (offenders.AveragesItsQueries, "queries", "queries one by one"),
    (offenders.MixesLanes, "lanes", ""),
    (offenders.ReadsUnusedSlots, "unused-slots", "answers depend on slots that hold nothing"),
    (offenders.FitsAtRandom, "fit", "two fits of one seed differ in offset"),
    (offenders.SortsItsTraining, "fit", "fit changed what it was given: label"),
    (offenders.TrainsInPlace, "stages", "fit_stage changed its input state in place: offset"),
    (offenders.TrainsAtRandom, "stages", "two trainings of one stage differ in offset"),
    (offenders.LosesItsWeights, "stages", "fit_stage changed the layout of offset"),
]


@pytest.mark.parametrize(
    ("offender", "law", "seen"), OFFENDERS, ids=lambda x: getattr(x, "__name__", str(x))
)
def test_the_right_law_catches_each_router_offender(
    offender: type[Router], law: str, seen: str
) -> None:
    offenders.MixesLanes.last.clear()
    found = verdict(next(own for own in LAWS if own.name == law), offender)
    assert found.outcome == "broken"
    assert seen in found.detail
    assert not found.detail.startswith("raised")


def test_every_law_of_routers_has_an_offender() -> None:
    assert {law for _, law, _ in OFFENDERS} == {law.name for law in LAWS}


def test_a_law_that_is_not_claimed_is_not_tried() -> None:
    class Plain(Nearest):
        excludes = composes = False
        slot_state = ()

    named = {law.name: law for law in LAWS}
    for name, reason in (
        ("exclusion", "excludes = False"),
        ("composition", "composes = False"),
        ("unused-slots", "no slot_state"),
    ):
        found = verdict(named[name], Plain)
        assert (found.outcome, found.detail) == ("n/a", reason)


def test_a_perturbation_replaces_every_later_event_and_no_other() -> None:
    events = Events.draw(0)
    other = events.after(10)
    for given, changed in zip(events.tensors()[:3], other.tensors()[:3], strict=True):
        assert torch.equal(given[:11], changed[:11])
        assert (given[11:] != changed[11:]).reshape(len(given) - 11, -1).any(-1).all()
    assert set(events.labels.tolist()) == set(range(LABELS))


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("label-bank", {"memory": "delta"}),
        ("label-bank", {"memory": "titans"}),
        ("nearest-neighbours", {"k": 1, "capacity": 7}),
        ("hpm", {"readout": "residual", "route_supervision": 0.3}),
        pytest.param("hpm", {"top_k": 1, "capacity": 5, "guided": True}, marks=pytest.mark.slow),
        pytest.param("dense-moe", {"readout": "residual"}, marks=pytest.mark.slow),
    ],
    ids=str,
)
def test_routers_keep_the_laws_at_other_parameters(name: str, params: dict[str, Any]) -> None:
    audited = audit(name, params)
    assert audited.protocol == "router"
    assert [v for v in audited.verdicts if v.outcome == "broken"] == []
    laws = [v.law for v in audited.verdicts]
    assert laws == [law.name for law in LAWS]


def test_fitted_routers_are_fitted_once_per_seed() -> None:
    fits = []

    class Counted(Nearest):
        def fit(self, train, generator):
            fits.append(1)
            super().fit(train, generator)

    build = Fitted(partial(lambda cls, _seed: cls(), Counted))
    first, again, other = build(0), build(0), build(1)
    assert len(fits) == 2
    assert torch.equal(first.offset, again.offset)
    assert not torch.equal(first.offset, other.offset)
