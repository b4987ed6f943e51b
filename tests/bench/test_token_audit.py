"""The laws of token memories hold for an honest one, and each convicts its offender."""

from __future__ import annotations

from typing import Any

import pytest

from bench.audit import Verdict, audit, tokens
from bench.audit.tokens import passes, perturbed
from memories.base import TokenMemory
from tests.bench import token_offenders as offenders
from tests.bench.token_offenders import Mean


def verdicts(cls: type[TokenMemory]) -> dict[str, Verdict]:
    return {law.name: law.verdict(lambda seed: cls()) for law in tokens.LAWS}


def test_the_memory_that_token_offenders_are_made_from_keeps_every_law() -> None:
    assert {v.outcome for v in verdicts(Mean).values()} == {"held"}


OFFENDERS = [
    (offenders.CountsItsReads, "read-purity", "tokens changed the state: count"),
    (offenders.ReadsAtRandom, "read-purity", "twice gives different tokens"),
    (offenders.ReadsAtRandom, "determinism", "give different tokens"),
    (offenders.WritesIntoItsState, "arguments", "changed its input state in place: rows"),
    (offenders.CentresItsHidden, "arguments", "the hidden states were changed in place"),
    (offenders.StartsAtRandom, "determinism", "differ in state: noise"),
    (offenders.StartsAtRandom, "reset", "init_state remembers earlier passes: noise"),
    (offenders.RemembersOutside, "reset", "there is state outside state"),
    (offenders.RemembersOutside, "restore", "there is state outside the state"),
    (offenders.PeeksAhead, "causality", "with passes after t=0 replaced, the tokens of pass 1"),
    (offenders.Grows, "layout", "changed the layout of rows"),
    (offenders.GrowsInTokens, "layout", "tokens changed their shape"),
    (offenders.Overflows, "layout", "is not finite"),
    (offenders.MixesLanes, "lanes", ""),
    (offenders.ReadsUnusedSlots, "unused-slots", "tokens depend on slots that hold nothing"),
    (offenders.KeepsTheGraph, "detached", "keeps the graph of earlier passes: rows"),
]


@pytest.mark.parametrize(
    ("offender", "law", "seen"), OFFENDERS, ids=lambda x: getattr(x, "__name__", str(x))
)
def test_the_right_law_catches_each_token_offender(
    offender: type[TokenMemory], law: str, seen: str
) -> None:
    offenders.MixesLanes.last.clear()
    verdict = verdicts(offender)[law]
    assert verdict.outcome == "broken"
    assert seen in verdict.detail
    assert not verdict.detail.startswith("raised")


def test_every_law_of_token_memories_has_an_offender() -> None:
    assert {law for _, law, _ in OFFENDERS} == {law.name for law in tokens.LAWS}


def test_peeking_ahead_breaks_causality_alone() -> None:
    """Nothing else stands between such a leak and the leaderboard."""
    broken = {name for name, v in verdicts(offenders.PeeksAhead).items() if v.outcome == "broken"}
    assert "causality" in broken
    assert broken <= {"causality", "lanes", "detached"}


def test_a_perturbation_replaces_every_later_pass_and_no_other() -> None:
    hidden = passes(0)
    other = perturbed(hidden, 20)
    assert bool((other[:21] == hidden[:21]).all())
    assert bool((other[21:] != hidden[21:]).all())


STORES: list[dict[str, Any]] = [
    {"window": 20},
    {"window": 6, "components": 4},
    {"window": None, "forgetting": 0.9},
    {"window": 20, "kernel": "exp", "head": "mix"},
    {"window": 20, "kernel": "matern", "head": "diamond"},
    {"solver": "incremental-svd", "window": None},
]
OTHERS: list[dict[str, Any]] = [
    {"window": 20, "kernel": "cosine", "head": "bottleneck", "gated": True},
    {"solver": "subspace", "components": 4},
    {"solver": "frequent-directions", "kernel": "linear", "window": None},
    {"refresh": "every", "refresh_every": 5},
    {"refresh": "read", "sign": "maxabs", "pool": "attn-trained", "row_per": "window-channel"},
]
SETTINGS = [
    *STORES,
    *(pytest.param(params, marks=pytest.mark.slow) for params in OTHERS),
]


@pytest.mark.parametrize("params", SETTINGS, ids=str)
def test_every_kind_of_store_keeps_the_laws(params: dict[str, Any]) -> None:
    audited = audit("spectral", params)
    assert audited.protocol == "tokens"
    assert [v for v in audited.verdicts if v.outcome == "broken"] == []
