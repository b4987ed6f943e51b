"""Every registered memory keeps the laws, and every law catches the offender it is there for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from typing_extensions import override

from bench import registry
from bench.audit import Verdict, associative, audit, forecaster
from bench.audit.run import Fitted, assignments
from bench.errors import MembError
from memories.base import OnlineForecaster, State
from tests.bench import leaks, offenders
from tests.bench.leaks import Drifting
from tests.bench.offenders import Sum

LONG = {
    "der++",
    "er",
    "fsnet",
    "hmem",
    "hmem-adaptive",
    "hmem-chrc",
    "hmem-multiscale",
    "hmem-snma",
    "hmem-v1",
    "hpm-source",
    "hpm-static",
    "mir",
    "ogd-head",
    "onenet",
    "proceed-full",
    "solid++",
    "spectral-analogue",
    "spectral-online",
    "spectral-readme",
    "spectral-v1",
    "spectral-v3",
    "spectral-v4-kernel",
    "spectral-v4f",
    "tafas",
}
"""Memories whose audit takes long, beside one of their kind that is audited."""
WARM = {"warmup_steps": 5, "min_entries": 3}
"""H-Mem learns and corrects with all its parts within the audit's 35 steps."""


def subjects() -> list[Any]:
    banks = ["exact-knn", "delta", "linear-assoc", "ar-rag"]
    return [
        *(
            pytest.param(name, {}, id=name, marks=[pytest.mark.slow] if name in LONG else [])
            for name in registry.names("memory")
        ),
        *(pytest.param("errorbank", {"memory": m}, id=f"errorbank-{m}") for m in banks),
        *(
            pytest.param(n, {"size": "small", **WARM}, id=f"{n}-warm", marks=pytest.mark.slow)
            for n in ("hmem", "hmem-v1")
        ),
    ]


@pytest.mark.parametrize(("name", "params"), subjects())
def test_every_registered_memory_keeps_every_law_it_claims(name, params):
    audited = audit(name, params)
    assert [v for v in audited.verdicts if v.outcome == "broken"] == []
    assert audited.held
    assert audited.memory == name
    claimed = [v.law for v in audited.verdicts if v.outcome == "held"]
    assert {"arguments", "determinism", "reset", "causality", "layout", "lanes"} <= set(claimed)


def verdicts(laws: Any, build: Callable[..., Any]) -> dict[str, Verdict]:
    return {law.name: law.verdict(build) for law in laws}


def test_the_memory_that_offenders_are_made_from_keeps_every_law():
    seen = verdicts(associative.LAWS, lambda seed: Sum())
    assert {name: v.outcome for name, v in seen.items()} == {
        **{law.name: "held" for law in associative.LAWS},
        "unused-slots": "n/a",
    }


OFFENDERS = [
    (offenders.PeeksInScan, "causality", "with later events"),
    (offenders.PeeksInScan, "scan", "scan against the loop"),
    (offenders.RemembersOutside, "reset", "there is state outside state"),
    (offenders.RemembersOutside, "composition", "reads, cut"),
    (offenders.RemembersOutside, "restore", "after a restore reads differ"),
    (offenders.MixesLanes, "lanes", ""),
    (offenders.WritesIntoItsState, "arguments", "changed its input state in place: weights"),
    (offenders.ScalesItsKeys, "arguments", "keys were changed in place"),
    (offenders.ReadsAtRandom, "read-purity", "twice gives different values"),
    (offenders.ReadsAtRandom, "determinism", "recall different values"),
    (offenders.CountsItsReads, "read-purity", "read changed the state: count"),
    (offenders.StartsAtRandom, "determinism", "differ in state: noise"),
    (offenders.StartsAtRandom, "reset", "init_state remembers"),
    (offenders.Grows, "layout", "changed the layout of keys"),
    (offenders.Overflows, "layout", "entry 'weights' is not finite"),
    (offenders.AnswersWithoutKnowing, "empty", "something else than zeros"),
    (offenders.AveragesItsCall, "composition", "state after a cut"),
    (offenders.CentresItsQueries, "queries", "queries one by one"),
    (offenders.ScansDifferently, "scan", "scan against the loop"),
    (offenders.ReadsUnusedSlots, "unused-slots", "a read uses slots that hold no event"),
    (offenders.WritesBesideUnusedSlots, "unused-slots", "a write carries"),
]


@pytest.mark.parametrize(
    ("offender", "law", "seen"), OFFENDERS, ids=lambda x: getattr(x, "__name__", str(x))
)
def test_the_right_law_catches_each_offender(offender, law, seen):
    offenders.MixesLanes.last.clear()
    verdict = verdicts(associative.LAWS, lambda seed: offender())[law]
    assert verdict.outcome == "broken"
    assert seen in verdict.detail
    assert verdict.claim


def test_every_law_of_associative_memories_has_an_offender():
    assert {law for _, law, _ in OFFENDERS} == {law.name for law in associative.LAWS}


def test_an_honest_offender_against_composition_is_not_accused():
    class Honest(offenders.AveragesItsCall):
        composes = False

    seen = verdicts(associative.LAWS, lambda seed: Honest())
    assert seen["composition"].outcome == "n/a"
    assert seen["composition"].detail == "composes = False"
    assert "broken" not in {v.outcome for v in seen.values()}


def test_a_memory_that_raises_breaks_the_law_that_was_tried():
    class Raises(Sum):
        @override
        def read(self, state: State, queries: Tensor, *rest: Any, **named: Any) -> Tensor:
            raise ZeroDivisionError("by nothing\nand a second line")

    verdict = verdicts(associative.LAWS, lambda seed: Raises())["read-purity"]
    assert verdict.outcome == "broken"
    assert verdict.detail == "raised ZeroDivisionError: by nothing"


def test_the_forecaster_that_offenders_are_made_from_keeps_every_law():
    seen = verdicts(forecaster.LAWS, lambda seed, rows: Drifting(rows))
    assert {v.outcome for v in seen.values()} == {"held"}
    nothing = forecaster.FIT.verdict(lambda seed, rows: Drifting(rows))
    assert (nothing.outcome, nothing.detail) == ("n/a", "nothing is fitted")


def test_a_forecaster_that_fits_honestly_keeps_every_law():
    """It may have seen the validation rows: the future is replaced from the test on."""
    seen = verdicts(forecaster.LAWS, Fitted(lambda seed, rows: leaks.Fitted(rows)))
    assert {v.outcome for v in seen.values()} == {"held"}
    fitting = forecaster.FIT.verdict(lambda seed, rows: leaks.Fitted(rows))
    assert (fitting.outcome, fitting.detail) == ("held", "1 entries learned")


@pytest.mark.parametrize(
    ("offender", "seen"),
    [
        (leaks.FitsAtRandom, "two fits of one seed differ in level"),
        (leaks.FitsToInfinity, "level is not finite after fitting"),
    ],
)
def test_a_fit_that_cannot_be_repeated_is_convicted(offender, seen):
    verdict = forecaster.FIT.verdict(lambda seed, rows: offender(rows))
    assert (verdict.outcome, verdict.detail) == ("broken", seen)


def test_the_border_of_validation_and_test_is_among_the_audited_origins():
    """Validation is rows 60 to 69, so that origin 69 is the first of the test."""
    assert forecaster.BORDER == forecaster.TRAINING + forecaster.VALIDATION - 1
    assert {forecaster.FIRST, forecaster.BORDER} < set(forecaster.CHECKED)
    assert len([t for t in forecaster.CHECKED if t >= forecaster.BORDER]) == 5
    assert forecaster.LAST + forecaster.HORIZON < forecaster.ROWS


class PeeksAtTheBorder(Drifting):
    """Honest but at one origin: as a generator trained on validation targets that reach over."""

    @override
    def predict(self, state: State, window: Tensor) -> tuple[Tensor, State]:
        forecast, state = super().predict(state, window)
        at = state["step"] == forecaster.BORDER - forecaster.FIRST + 1
        return forecast + torch.where(at, self.row(state, 1) - window[-1], 0.0), state


def test_a_leak_at_the_border_alone_is_seen():
    seen = verdicts(forecaster.LAWS, lambda seed, rows: PeeksAtTheBorder(rows))
    assert (
        seen["causality"].detail
        == "with rows after t=69 replaced, the forecast of origin 69 changes"
    )
    assert seen["missing-future"].outcome == "broken"


def test_every_law_of_forecasters_has_an_offender():
    convicted = {law for _, law, _ in FORECASTING_OFFENDERS}
    assert convicted == {law.name for law in forecaster.LAWS} - {"input"}, "it convicts nobody"


FORECASTING_OFFENDERS = [
    (leaks.PeeksARow, "causality", "replaced, the forecast of origin"),
    (leaks.PeeksARow, "missing-future", "NaN, the forecast of origin"),
    (leaks.LearnsARowTooEarly, "causality", "replaced, the forecast of origin"),
    (leaks.LearnsARowTooEarly, "missing-future", "NaN, the forecast of origin"),
    (leaks.LegacyLeak, "causality", "replaced, the forecast of origin"),
    (leaks.LegacyLeak, "missing-future", "NaN, the forecast of origin"),
    (leaks.PrefixOfTheTarget, "causality", "replaced, the forecast of origin"),
    (leaks.PrefixOfTheTarget, "missing-future", "NaN, the forecast of origin"),
    (leaks.SuffixOfTheTarget, "causality", "replaced, the forecast of origin"),
    (leaks.SuffixOfTheTarget, "missing-future", "NaN, the forecast of origin"),
    (leaks.ScalesByTheWholeSeries, "causality", "replaced, the forecast of origin 59 changes"),
    (leaks.ScalesByTheWholeSeries, "missing-future", "NaN, the forecast of origin 59 changes"),
    (leaks.NormalisesByItsTarget, "causality", "replaced, the forecast of origin"),
    (leaks.NormalisesByItsTarget, "missing-future", "NaN, the forecast of origin"),
    (leaks.SharesItsRing, "lanes", ""),
    (leaks.SharesItsRing, "reset", "there is state outside the state"),
    (leaks.ReportsItsRing, "report", "the report correction is no scalar"),
    (leaks.ForgetsWhenAsked, "report", "reporting changed the state: mean"),
    (leaks.FitsOnTheTest, "causality", "replaced, the forecast of origin 59 changes"),
    (leaks.CountsOutside, "reset", "there is state outside the state"),
    (leaks.CountsOutside, "restore", "there is state outside the state"),
    (leaks.WritesIntoItsMean, "arguments", "mean"),
    (leaks.CentresItsWindow, "arguments", ""),
    (leaks.ForecastsAtRandom, "determinism", "two runs of one seed"),
    (leaks.GrowsWithTime, "layout", "entry 'rows' changed its shape"),
    (leaks.ForecastsTooShort, "layout", "expected [4, 2]"),
    (leaks.MeetsOthers, "lanes", ""),
]


@pytest.mark.parametrize(
    ("offender", "law", "seen"),
    FORECASTING_OFFENDERS,
    ids=lambda x: getattr(x, "__name__", str(x)),
)
def test_the_right_law_catches_each_forecasting_offender(offender, law, seen):
    leaks.MeetsOthers.last.clear()
    leaks.SharesItsRing.ring.zero_()

    def build(seed: int, rows: Tensor) -> OnlineForecaster:
        return Fitted(lambda _, own: offender(own))(seed, rows)  # fitted anew on every stream

    verdict = verdicts(forecaster.LAWS, build)[law]
    assert verdict.outcome == "broken"
    assert seen in verdict.detail


def test_peeking_breaks_no_law_but_those_of_causality():
    """The two laws are what stands between a leak and the leaderboard: the rest do not see it."""
    seen = verdicts(forecaster.LAWS, lambda seed, rows: leaks.LearnsARowTooEarly(rows))
    broken = {name for name, v in seen.items() if v.outcome == "broken"}
    assert broken <= {"causality", "missing-future", "reset", "lanes"}
    assert {"causality", "missing-future"} <= broken


def test_a_forecaster_that_ignores_its_input_is_told_so():
    class Blind(Drifting):
        @override
        def predict(self, state: State, window: Tensor) -> tuple[Tensor, State]:
            return torch.zeros(forecaster.HORIZON, forecaster.CHANNELS), state

    verdict = verdicts(forecaster.LAWS, lambda seed, rows: Blind(rows))["input"]
    assert verdict.outcome == "n/a"
    assert "does not depend on the newest row" in verdict.detail


@pytest.mark.parametrize(
    ("name", "params", "text", "help"),
    [
        ("detla", {}, "unknown memory 'detla'", "did you mean 'delta'?"),
        ("exact_knn", {}, "unknown memory 'exact_knn'", "did you mean 'exact-knn'?"),
        ("delta", {"chunks": 8}, "unknown parameter 'chunks' of delta", "did you mean 'chunk'?"),
        ("delta", {"chunk": 0}, "must be >= 1", ""),
        ("errorbank", {"memory": "frozen"}, "the slot takes 'associative'", ""),
    ],
)
def test_what_cannot_be_audited_is_refused_with_the_nearest_name(name, params, text, help):
    with pytest.raises(MembError) as refused:
        audit(name, params)
    (problem,) = refused.value.problems
    assert text in problem.message
    assert help in problem.help


def test_parameters_are_part_of_what_is_audited():
    audited = audit("delta", {"passes": 2})
    assert audited.params["passes"] == 2
    outcomes = {v.law: v.outcome for v in audited.verdicts}
    assert outcomes["composition"] == "n/a"
    assert audited.held


def test_assignments_read_yaml_values_and_dotted_names():
    texts = ["top_k=10", "memory.name=delta", "memory.params.write_strength=5e-1", "soft=true"]
    assert assignments(texts) == {
        "top_k": 10,
        "memory": {"name": "delta", "params": {"write_strength": 0.5}},
        "soft": True,
    }
    assert audit("errorbank", assignments(["memory=delta"])).params["memory"]["name"] == "delta"


@pytest.mark.parametrize("text", ["top_k", "=3", "", "top_k=[1"])
def test_an_assignment_that_is_none_is_refused(text):
    with pytest.raises(MembError) as refused:
        assignments([text])
    assert "--set" in refused.value.render()


def test_an_assignment_into_a_value_is_refused():
    with pytest.raises(MembError, match="'memory' was set to 'delta' before") as refused:
        assignments(["memory=delta", "memory.params.chunk=3"])
    assert refused.value.problems[0].help.startswith("write --set memory.name=delta")
