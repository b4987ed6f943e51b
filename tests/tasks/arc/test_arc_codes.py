from __future__ import annotations

import math

import numpy as np
import pytest

from tasks.arc.codes import (
    EpisodeCounts,
    Raw,
    demonstrated,
    encode,
    projection,
    raw_codes,
)
from tasks.arc.episodes import episode
from tasks.arc.families import FAMILIES
from tasks.arc.features import features

FEW = EpisodeCounts(train=2, validation=1, test=1)


@pytest.fixture(scope="module")
def raw() -> Raw:
    return raw_codes(4, counts=FEW)


def test_raw_codes_are_the_features_of_the_episodes_in_their_places(raw: Raw) -> None:
    assert {name: (part.shape, part.dtype.name) for name, part in raw.items()} == {
        "train/pairs": ((24, 2, 6, 60), "float32"),
        "train/primitives": ((24, 2), "int64"),
        "validation/pairs": ((24, 1, 6, 60), "float32"),
        "validation/primitives": ((24, 1), "int64"),
        "test/pairs": ((24, 1, 6, 60), "float32"),
        "test/primitives": ((24, 1), "int64"),
    }
    one = episode(4, "train", 17, 1)
    np.testing.assert_array_equal(raw["train/pairs"][17, 1], features(one.pairs))
    assert raw["train/primitives"][17, 1] == one.primitive


def test_raw_codes_of_fewer_families_and_episodes_are_a_part_of_them(raw: Raw) -> None:
    part = raw_codes(4, counts=EpisodeCounts(1, 1, 1), families=FAMILIES[:3])
    np.testing.assert_array_equal(part["train/pairs"], raw["train/pairs"][:3, :1])


def test_all_splits_have_forty_ten_and_forty_episodes_unless_told() -> None:
    counts = EpisodeCounts()
    assert (counts.train, counts.validation, counts.test) == (40, 10, 40)


def test_demonstrations_come_first_and_as_many_held_out_pairs_follow() -> None:
    pairs = np.arange(6, dtype=np.float32)[:, None] * np.ones(60, np.float32)
    assert [demonstrated(pairs, k)[0] for k in (1, 2, 3)] == [0, 0.5, 1]
    assert [demonstrated(pairs, k, held_out=True)[0] for k in (1, 2, 3)] == [1, 2.5, 4]


@pytest.mark.parametrize(("demos", "held_out"), [(0, False), (7, False), (4, True)])
def test_more_demonstrations_than_there_are_cannot_be_had(demos: int, held_out: bool) -> None:
    with pytest.raises(ValueError, match="6 pairs have no"):
        demonstrated(np.zeros((6, 60), np.float32), demos, held_out=held_out)


def test_the_projection_is_one_fixed_draw_of_variance_one_over_its_width() -> None:
    drawn = np.random.Generator(np.random.PCG64(1234)).standard_normal((60, 64))
    np.testing.assert_array_equal(projection(64), drawn / math.sqrt(60))
    np.testing.assert_array_equal(projection(64, "basic"), drawn[:41] / math.sqrt(41))


@pytest.mark.parametrize("kind", ["basic", "full"])
@pytest.mark.parametrize("noise", [0.0, 0.5])
def test_codes_have_length_one(raw: Raw, kind: str, noise: float) -> None:
    rng = np.random.default_rng(0)
    codes = encode(demonstrated(raw["train/pairs"], 2), 32, kind=kind, noise=noise, rng=rng)
    assert codes.shape == (24, 2, 32)
    # float64: products of 32 numbers
    np.testing.assert_allclose((codes**2).sum(-1), 1, atol=1e-12)


def test_basic_codes_ignore_what_only_the_full_ones_see() -> None:
    rng = np.random.default_rng(0)
    measured = rng.standard_normal((3, 60))
    changed = measured + np.where(np.arange(60) < 41, 0.0, 1.0)
    np.testing.assert_array_equal(encode(measured, kind="basic"), encode(changed, kind="basic"))
    assert not np.allclose(encode(measured), encode(changed))


def test_noise_lowers_the_cosine_as_its_strength_says() -> None:
    """E cos = 1/sqrt(1 + sigma^2) up to 1/d: z + sigma n with |n| near 1, orthogonal to z."""
    measured = np.ones((2000, 60))
    clean = encode(measured, 64)
    for sigma in (0.2, 0.3, 0.5):
        noisy = encode(measured, 64, noise=sigma, rng=np.random.default_rng(1))
        mean = float((clean * noisy).sum(-1).mean())
        # means of 2,000 with standard deviation below .06, and the bias of 1/64
        assert mean == pytest.approx(1 / math.sqrt(1 + sigma**2), abs=0.01)


def test_noise_is_as_strong_in_few_dimensions_as_in_many() -> None:
    """sigma |xi| / sqrt(d) is near sigma whatever d is; at d = 16 the bias is below 1/16."""
    clean, rng = encode(np.ones((2000, 60)), 16), np.random.default_rng(1)
    noisy = encode(np.ones((2000, 60)), 16, noise=0.5, rng=rng)
    assert float((clean * noisy).sum(-1).mean()) == pytest.approx(1 / math.sqrt(1.25), abs=0.02)


def test_noise_is_independent_for_every_code() -> None:
    noisy = encode(np.ones((50, 60)), 64, noise=1.0, rng=np.random.default_rng(0))
    around = noisy - noisy.mean(0)
    products = around @ around.T / np.outer(*[np.linalg.norm(around, axis=1)] * 2)
    off_diagonal = products[~np.eye(50, dtype=bool)]
    # cosines of independent directions in 64 dimensions have standard deviation 1/8
    assert np.abs(off_diagonal).max() < 5 / 8
    assert abs(off_diagonal.mean()) < 0.05


def test_noise_without_a_generator_is_refused() -> None:
    with pytest.raises(ValueError, match="noise needs a generator"):
        encode(np.ones((1, 60)), noise=0.1)


def test_a_code_of_nothing_is_nothing() -> None:
    assert not encode(np.zeros((1, 60))).any()
