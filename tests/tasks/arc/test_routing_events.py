"""Labelled codes: the same for every task that asks for them, whatever else is asked for."""

from __future__ import annotations

import numpy as np
import pytest

from tasks.arc.codes import EpisodeCounts, Raw, raw_codes
from tasks.arc.features import OF_INPUT
from tasks.arc.routing_events import PRESETS, Encoding, Events, batches, noise_rng, rounds

COUNTS = EpisodeCounts(train=2, validation=1, test=1)


@pytest.fixture(scope="module")
def raw() -> Raw:
    return raw_codes(0, counts=COUNTS)


def of(raw: Raw, split="train", seed=0, **changes):
    encoding = Encoding(**{"demos": 2, "noise": 0.3, "dim": 16, **changes})
    return Events.of(raw, encoding, seed, split)


def test_codes_are_unit_vectors_with_labels_and_ids_family_by_family(raw: Raw) -> None:
    events = of(raw)
    assert (events.z.dtype, events.z.shape) == (np.float32, (48, 16))
    assert np.linalg.norm(events.z, axis=1) == pytest.approx(1, abs=1e-6)
    assert events.labels.tolist() == [family for family in range(24) for _ in range(2)]
    assert events.ids.tolist() == list(range(48))


def test_fewer_events_of_a_family_are_the_first_of_more_noise_included(raw: Raw) -> None:
    fewer = {name: part[:, :1] for name, part in raw.items()}
    assert np.array_equal(of(fewer).z, of(raw).z[::2])


def test_noise_is_of_its_own_for_every_code_split_and_seed(raw: Raw) -> None:
    alike = {"train/pairs": np.ones((24, 2, 6, 60), dtype=np.float32)}
    alike["test/pairs"] = alike["train/pairs"]
    codes = [of(alike).z, of(alike, split="test").z, of(alike, seed=1).z]
    codes.append(Encoding(2, 0.3, dim=16).codes(alike["train/pairs"], 0, "train", held=True))
    together = np.concatenate([part.reshape(-1, 16) for part in codes])
    assert len(np.unique(together, axis=0)) == len(together)
    quiet = of(alike, noise=0.0).z
    assert len(np.unique(quiet, axis=0)) == 1


@pytest.mark.parametrize("sigma", [0.3, 0.5])
def test_noise_leaves_a_code_the_cosine_of_its_strength(raw: Raw, sigma: float) -> None:
    """|xi| / sqrt(d) is 1 on average, so that the cosine is about 1 / sqrt(1 + sigma^2); over 48
    codes of 64 dimensions its mean scatters by less than .01.
    """
    quiet, noisy = of(raw, noise=0.0, dim=64).z, of(raw, noise=sigma, dim=64).z
    cosine = (quiet * noisy).sum(1).mean()
    assert cosine == pytest.approx(1 / np.sqrt(1 + sigma**2), abs=0.03)


def test_codes_of_inputs_alone_do_not_see_outputs(raw: Raw) -> None:
    changed = {name: part.copy() for name, part in raw.items()}
    outputs = ~np.isin(np.arange(60), OF_INPUT)
    changed["train/pairs"][..., outputs] += 1
    quiet = {"features": "input-only", "noise": 0.0}
    assert np.array_equal(of(raw, **quiet).z, of(changed, **quiet).z)
    assert not np.allclose(of(raw, noise=0.0).z, of(changed, noise=0.0).z)
    changed["train/pairs"][..., list(OF_INPUT)] *= -2
    assert not np.allclose(of(raw, **quiet).z, of(changed, **quiet).z)


def test_basic_features_are_the_first_blocks(raw: Raw) -> None:
    changed = {name: part.copy() for name, part in raw.items()}
    changed["train/pairs"][..., 41:] += 1
    quiet = {"features": "basic", "noise": 0.0}
    assert np.array_equal(of(raw, **quiet).z, of(changed, **quiet).z)


def test_presets_are_demonstrations_and_noise() -> None:
    assert PRESETS == {"easy": (3, 0.0), "default": (2, 0.3), "hard": (1, 0.5)}
    assert Encoding.of("hard", "basic", 32) == Encoding(1, 0.5, "basic", 32)


def test_the_first_events_of_every_family_are_shown_before_each_check_point() -> None:
    parts = rounds(5, [1, 3], np.random.default_rng(0))
    assert [len(part) for part in parts] == [24, 48, 48]
    shown: set[int] = set()
    for part, n in zip(parts, (1, 3, 5), strict=True):
        shown |= set(part.tolist())
        assert shown == {5 * family + own for family in range(24) for own in range(n)}
    assert parts[1].tolist() != sorted(parts[1].tolist()), "they come in a random order"
    assert len(rounds(5, [1, 5], np.random.default_rng(0))) == 2


def test_batches_go_through_all_rows_before_one_comes_again() -> None:
    drawn = batches(10, 4, 5, np.random.default_rng(0))
    assert drawn.shape == (4, 5)
    assert sorted(drawn[:2].ravel()) == sorted(drawn[2:].ravel()) == list(range(10))
    assert batches(3, 2, 4, np.random.default_rng(0)).shape == (2, 4)


def test_shuffled_labels_are_the_same_labels_elsewhere(raw: Raw) -> None:
    events = of(raw)
    other = events.relabelled(np.random.default_rng(0))
    assert sorted(other.labels) == sorted(events.labels)
    assert (other.labels != events.labels).mean() > 0.8
    assert np.array_equal(other.z, events.z)


def test_noise_does_not_depend_on_the_task_that_asks() -> None:
    first, again = noise_rng(3, 1, 2).standard_normal(4), noise_rng(3, 1, 2).standard_normal(4)
    assert np.array_equal(first, again)
    assert not np.array_equal(first, noise_rng(3, 2, 1).standard_normal(4))
