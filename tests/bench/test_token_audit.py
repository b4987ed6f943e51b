"""The laws of token memories hold for an honest one, and each convicts its offender."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from bench.audit import Verdict, audit, tokens
from bench.audit.tokens import passes, perturbed
from bench.audit.verdict import Broken
from memories.base import TokenMemory
from memories.spectral.token_memory import SpectralMemory
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
    (offenders.StoresOneRowPerBatch, "batches", "a batch of 32 passes: differs"),
    (offenders.SnapshotsTooLittle, "snapshots", "tokens from a snapshot: differs"),
    (offenders.EmptiesAtSnapshots, "snapshots", "a snapshot changed the state: count"),
    (offenders.CentresStackedSnapshots, "snapshots", "tokens from stacked snapshots: differs"),
    (offenders.ForgetsTheSecondAxis, "snapshots", "tokens from snapshots on two axes: differs"),
    (offenders.BatchAppend, "reset", "tokens depend on earlier passes: there is state outside"),
    (offenders.BatchAppend, "restore", "there is state outside the state"),
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


def test_a_memory_that_says_its_batches_are_no_windows_is_not_held_to_it() -> None:
    verdict = verdicts(offenders.SaysSoOfItsBatches)["batches"]
    assert verdict.outcome == "n/a"
    assert "declared" in verdict.detail


def test_a_buffer_that_nothing_empties_is_convicted_by_what_leaves_the_state() -> None:
    broken = {n for n, v in verdicts(offenders.BatchAppend).items() if v.outcome == "broken"}
    assert {"reset", "restore"} <= broken
    assert "causality" not in broken, "in one pass in order of time it does not look ahead"


def test_peeking_ahead_breaks_causality_alone() -> None:
    """Nothing else stands between such a leak and the leaderboard."""
    broken = {name for name, v in verdicts(offenders.PeeksAhead).items() if v.outcome == "broken"}
    assert "causality" in broken
    assert broken <= {"causality", "lanes", "detached", "batches"}


def test_a_perturbation_replaces_every_later_pass_and_no_other() -> None:
    hidden = passes(0)
    other = perturbed(hidden, 20)
    assert bool((other[:21] == hidden[:21]).all())
    assert bool((other[21:] != hidden[21:]).all())


COMPOSED: list[tuple[dict[str, Any], bool]] = [
    ({}, True),
    ({"row_per": "window-channel", "head": "dense", "sign": "maxabs"}, True),
    ({"head": "dense"}, False),
    ({"sign": "raw", "head": "mix"}, False),
    ({"kernel": "exp", "head": "mix"}, True),
    ({"row_per": "batch"}, False),
    ({"refresh": "every"}, False),
    ({"solver": "subspace"}, False),
    ({"solver": "frequent-directions", "kernel": "linear", "window": None}, False),
]


@pytest.mark.parametrize(("params", "composes"), COMPOSED, ids=str)
def test_spectral_memories_claim_that_batches_compose_where_they_do(
    params: dict[str, Any], composes: bool
) -> None:
    memory = SpectralMemory(
        tokens.TOKEN_DIM,
        components=4,
        **{"window": 20, **params},
        generator=torch.Generator().manual_seed(0),
    )
    assert memory.composes_batches is composes
    if composes:
        tokens.batches_are_their_windows(lambda seed: memory)


@pytest.mark.parametrize(
    "params",
    [
        {"row_per": "batch"},
        {"refresh": "every", "refresh_every": 5},
        {"solver": "subspace", "sweeps": 1},
        {"solver": "frequent-directions", "kernel": "linear", "window": None, "rank": 5},
    ],
    ids=str,
)
def test_what_spectral_memories_do_not_claim_of_batches_is_not_so(params: dict[str, Any]) -> None:
    memory = SpectralMemory(
        tokens.TOKEN_DIM,
        components=4,
        **{"window": 20, **params},
        generator=torch.Generator().manual_seed(0),
    )
    memory.composes_batches = True
    with pytest.raises(Broken, match="differs by"):
        tokens.batches_are_their_windows(lambda seed: memory)


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
