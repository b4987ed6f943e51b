"""Sequences are what the definition says, checked against loops over their tokens."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from memories.base import InvalidParameter
from tasks.mqar.generator import BLANK, SequenceFormat, Sequences

FORMATS: dict[str, dict[str, Any]] = {
    "standard": {"vocabulary": 40, "length": 32, "pairs": 5},
    "full": {"vocabulary": 40, "length": 32, "pairs": 8},
    "random": {"vocabulary": 40, "length": 32, "pairs": 5, "fillers": "random"},
    "legacy order": {"vocabulary": 40, "length": 32, "pairs": 5, "legacy_order": True},
    "two passes": {"vocabulary": 40, "length": 36, "pairs": 5, "passes": 2},
    "forgetting": {"vocabulary": 40, "length": 34, "pairs": 6, "variant": "forgetting"},
    "forgetting, random": {
        "vocabulary": 60, "length": 40, "pairs": 4, "variant": "forgetting", "rewrites": 2,
        "passes": 2, "fillers": "random",
    },
    "compositional": {"vocabulary": 60, "length": 58, "pairs": 9, "variant": "compositional"},
    "compositional, random": {
        "vocabulary": 60, "length": 58, "pairs": 4, "variant": "compositional", "passes": 2,
        "fillers": "random",
    },
}  # fmt: skip


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def draw(count: int = 50, seed: int = 0, **settings: Any) -> Sequences:
    return SequenceFormat(**settings).draw(count, generator(seed))


def written(made: SequenceFormat, tokens: list[int]) -> dict[tuple[int, ...], list[int]]:
    """The positions of every value of each key in the context."""
    found: dict[tuple[int, ...], list[int]] = {}
    for start in range(0, made.context_length, made.pair_length):
        key = tuple(tokens[start : start + made.key_length])
        found.setdefault(key, []).append(start + made.key_length)
    return found


@pytest.mark.parametrize("name", FORMATS)
def test_every_key_is_asked_for_once_and_its_last_value_is_the_answer(name):
    made = SequenceFormat(**FORMATS[name])
    drawn = made.draw(50, generator())
    for tokens, at, answers, gaps in zip(
        drawn.tokens.tolist(), drawn.at.tolist(), drawn.answers.tolist(), drawn.gaps.tolist(),
        strict=True,
    ):  # fmt: skip
        context = written(made, tokens)
        assert len(context) == made.pairs
        asked = [tuple(tokens[p - made.key_length + 1 : p + 1]) for p in at]
        assert sorted(asked) == sorted(context)
        for key, position, answer, gap in zip(asked, at, answers, gaps, strict=True):
            source = context[key][-1]
            assert answer == tokens[source]
            assert gap == position - source
            slot, rest = divmod(position - made.context_length, made.pair_length)
            assert 0 <= slot < made.slots
            assert rest == made.key_length - 1


@pytest.mark.parametrize("name", FORMATS)
def test_keys_and_values_come_from_their_part_of_the_vocabulary(name):
    made = SequenceFormat(**FORMATS[name])
    drawn = made.draw(50, generator())
    part = made.vocabulary // made.pair_length
    context = drawn.tokens[:, : made.context_length].reshape(50, -1, made.pair_length)
    for k in range(made.key_length):
        # the blank is no key
        assert context[..., k].min() >= max(1, k * part)
        assert context[..., k].max() < (k + 1) * part
    assert context[..., -1].min() >= made.key_length * part
    assert context[..., -1].max() < made.vocabulary


@pytest.mark.parametrize("name", FORMATS)
def test_every_value_is_written_under_one_key_alone(name):
    made = SequenceFormat(**FORMATS[name])
    for tokens in made.draw(50, generator()).tokens.tolist():
        values = [{tokens[p] for p in places} for places in written(made, tokens).values()]
        assert sum(map(len, values)) == len(set.union(*values))
        assert sum(map(len, values)) == made.pairs + made.n_rewritten


@given(
    pairs=st.integers(1, 12),
    spare=st.integers(0, 20),
    passes=st.integers(1, 3),
    rewrites=st.integers(1, 12),
    seed=st.integers(0, 2**32),
)
@settings(max_examples=60)
def test_any_format_that_is_accepted_can_be_drawn(pairs, spare, passes, rewrites, seed):
    """The context and one slot per query fill the sequence up to an even number of spare tokens."""
    rewrites = min(rewrites, pairs)
    length = 2 * (pairs * passes + rewrites + pairs + spare)
    made = SequenceFormat(length + 1, length, pairs, "forgetting", rewrites, passes)
    drawn = made.draw(3, generator(seed))
    for tokens, at, answers in zip(
        drawn.tokens.tolist(), drawn.at.tolist(), drawn.answers.tolist(), strict=True
    ):
        context = written(made, tokens)
        assert len(set(at)) == pairs
        assert [tokens[context[(tokens[p],)][-1]] for p in at] == answers


def test_the_same_seed_draws_the_same_bytes_whatever_the_global_generator_holds():
    """The published generator takes its fillers from the global one."""
    made = {**FORMATS["random"], "passes": 1}
    torch.rand(7)
    first = draw(**made)
    before = torch.get_rng_state()
    torch.rand(3)
    second = draw(**made)
    for a, b in zip(vars(first).values(), vars(second).values(), strict=True):
        assert torch.equal(a, b)
    torch.set_rng_state(before)
    draw(**made)
    assert torch.equal(torch.get_rng_state(), before)
    assert not torch.equal(draw(seed=1, **made).tokens, first.tokens)


def slots(count: int, **settings: Any) -> Tensor:
    made = SequenceFormat(**settings)
    return (made.draw(count, generator(3)).at - made.context_length) // 2


def test_the_first_slot_is_asked_as_often_as_the_power_law_says():
    """One pair in 58 tokens leaves 28 slots of weight g^-0.99: 1/sum = .251; 10,000 draws have a
    standard error of .004.
    """
    expected = 1 / sum(g**-0.99 for g in range(1, 29))
    assert expected == pytest.approx(0.251, abs=0.0005)
    seen = slots(10_000, vocabulary=64, length=58, pairs=1)
    assert float((seen == 0).double().mean()) == pytest.approx(expected, abs=0.02)
    assert seen.max() == 27


def test_a_power_of_one_makes_every_slot_as_likely():
    seen = slots(14_000, vocabulary=64, length=58, pairs=1, power=1.0)
    shares = torch.bincount(seen.flatten(), minlength=28) / 14_000
    # standard error of a share: sqrt(1/28 * 27/28 / 14000) = .0016
    torch.testing.assert_close(shares, torch.full((28,), 1 / 28), rtol=0, atol=0.008)


def test_the_slot_of_a_query_does_not_depend_on_when_its_key_was_written():
    """Mean slots of four keys over 20,000 sequences: standard errors are near .05."""
    means = slots(20_000, vocabulary=128, length=64, pairs=4).double().mean(0)
    torch.testing.assert_close(means, means.mean().expand(4), rtol=0, atol=0.25)


def test_legacy_order_asks_for_keys_written_first_sooner():
    """The first key has the first slot drawn: sum (g-1) g^-.99 / sum g^-.99, which is 6.20 for 28
    slots and 12.68 for 64; the others as `numpy.random.choice` without replacement, which the
    published generator uses, has them in 4,000 draws. Standard errors: .05 and .4.
    """
    means = slots(20_000, vocabulary=128, length=64, pairs=4, legacy_order=True).double().mean(0)
    expected = torch.tensor([6.20, 6.70, 7.33, 8.05], dtype=torch.float64)
    torch.testing.assert_close(means, expected, rtol=0, atol=0.25)
    means = slots(2_000, vocabulary=512, length=256, pairs=64, legacy_order=True).double().mean(0)
    assert float(means[0]) == pytest.approx(12.68, abs=1.5)
    assert float(means[-1]) == pytest.approx(52.0, abs=1.5)


def test_where_slots_are_as_many_as_queries_all_of_them_are_asked():
    assert torch.equal(
        slots(20, **FORMATS["full"], power=3.0).sort(1).values, torch.arange(8).expand(20, -1)
    )


def unused(drawn: Sequences, made: SequenceFormat) -> Tensor:
    """Which positions hold neither the context nor a query's key, [B, T]."""
    free = torch.ones_like(drawn.tokens, dtype=torch.bool)
    free[:, : made.context_length] = False
    for part in range(made.key_length):
        free.scatter_(1, drawn.at - part, False)
    return free


@pytest.mark.parametrize("name", FORMATS)
def test_unused_positions_hold_fillers_and_no_key_of_the_sequence(name):
    made = SequenceFormat(**FORMATS[name])
    drawn = made.draw(50, generator())
    free = unused(drawn, made)
    assert (free.sum(1) == made.length - made.context_length - made.pairs * made.key_length).all()
    if made.fillers == "blank":
        assert (drawn.tokens[free] == BLANK).all()
        return
    for tokens, is_free in zip(drawn.tokens, free, strict=True):
        keys = {token for key in written(made, tokens.tolist()) for token in key}
        assert keys.isdisjoint(tokens[is_free].tolist())
    assert (drawn.tokens[free] != BLANK).any()


def test_random_fillers_are_uniform_over_all_tokens_but_the_keys():
    """One key of 12 tokens: each of the seven tokens that are never keys has share 1/11, and each
    of the five keys (4/5)/11. Five fillers in 8,000 sequences: standard errors of at most .0015.
    """
    made = SequenceFormat(12, 8, 1, fillers="random")
    drawn = made.draw(8_000, generator())
    found = torch.bincount(drawn.tokens[unused(drawn, made)], minlength=12)
    expected = torch.tensor([1.0] + [0.8] * 5 + [1.0] * 6) / 11
    torch.testing.assert_close(found / found.sum(), expected, rtol=0, atol=0.006)


def test_legacy_fillers_repeat_keys_as_often_as_chance_has_it():
    """52 unused positions, 4 keys among 128 tokens: 52 * 4/128 = 1.625 extra keys a sequence."""
    settings = {"vocabulary": 128, "length": 64, "pairs": 4, "fillers": "random"}
    made = SequenceFormat(**settings, legacy_fillers=True)
    drawn = made.draw(2_000, generator())
    keys = drawn.tokens[:, : made.context_length : 2]
    repeats = (drawn.tokens[..., None] == keys[:, None]).any(-1) & unused(drawn, made)
    # standard error: sqrt(1.6 / 2000) = .03
    assert float(repeats.sum(1).double().mean()) == pytest.approx(1.625, abs=0.12)


def test_forgetting_rewrites_as_many_keys_as_asked_for_with_a_value_that_is_new():
    made = SequenceFormat(40, 34, 6, "forgetting", 3)
    for tokens in made.draw(50, generator()).tokens.tolist():
        values = [[tokens[p] for p in places] for places in written(made, tokens).values()]
        assert sorted(map(len, values)) == [1, 1, 1, 2, 2, 2]
        assert all(len(set(of_key)) == len(of_key) for of_key in values)
        # originals come first
        assert len({tokens[p] for p in range(0, 12, 2)}) == 6


def test_forgetting_rewrites_four_keys_if_no_number_is_given():
    assert SequenceFormat(40, 34, 6, "forgetting").n_rewritten == 4
    assert SequenceFormat(40, 34, 6).n_rewritten == 0


def test_each_pass_writes_all_pairs_in_an_order_of_its_own():
    made = SequenceFormat(100, 64, 8, passes=3)
    context = made.draw(50, generator()).tokens[:, :48].reshape(50, 3, 8, 2)
    first, *others = context.unbind(1)
    for again in others:
        by_key = [
            block.gather(1, block[..., :1].argsort(1).expand(-1, -1, 2)) for block in (first, again)
        ]
        assert torch.equal(*by_key)
        # 50 shuffles of 8 pairs leave 1/8 of them in place on average
        assert float((again[..., 0] == first[..., 0]).double().mean()) < 0.25


def test_neither_token_of_a_compositional_key_determines_its_value():
    """Nine pairs: three first and three second tokens, in all combinations, in shuffled order."""
    made = SequenceFormat(**FORMATS["compositional"])
    drawn = made.draw(50, generator())
    context = drawn.tokens[:, :27].reshape(50, 9, 3)
    assert (made.first_value, made.n_values) == (40, 20)
    for pairs in context.tolist():
        firsts, seconds = {p[0] for p in pairs}, {p[1] for p in pairs}
        assert (len(firsts), len(seconds)) == (3, 3)
        assert {(p[0], p[1]) for p in pairs} == {(a, b) for a in firsts for b in seconds}
    grid = context[..., 0] == context[:, :1, 0]
    assert not torch.equal(grid, grid[:1].expand_as(grid))


@pytest.mark.parametrize(
    ("settings", "parameter", "message"),
    [
        ((64, 33, 2), "length", "must be even, got 33"),
        ((32, 32, 2), "vocabulary", r"must be > length \(32\), got 32"),
        ((64, 32, 9), "pairs", "take 36 tokens, length is 32"),
        ((64, 32, 4, "standard", None, 4), "pairs", "take 40 tokens"),
        ((64, 32, 7, "forgetting", 3), "pairs", "take 34 tokens"),
        ((64, 32, 3, "forgetting"), "rewrites", r"must be <= pairs \(3\), got 4"),
        ((64, 32, 3, "standard", 1), "rewrites", "has no meaning with variant 'standard'"),
        ((64, 32, 5, "compositional"), "pairs", "must be a square"),
        ((64, 22, 4, "compositional"), "pairs", "take 24 tokens"),
    ],
)
def test_formats_that_cannot_be_made_are_refused_by_name(settings, parameter, message):
    with pytest.raises(InvalidParameter, match=message) as refused:
        SequenceFormat(*settings)
    assert refused.value.parameter == parameter


@pytest.mark.parametrize(
    "settings",
    [(33, 32, 8), (65, 32, 6, "forgetting", 4), (25, 24, 4, "compositional"), (17, 16, 2)],
)
def test_formats_that_just_fit_are_drawn(settings):
    assert SequenceFormat(*settings).draw(2, generator()).tokens.shape == (2, settings[1])
