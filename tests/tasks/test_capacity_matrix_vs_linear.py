"""Slots against matrices, and what two popular tests measure instead."""

from __future__ import annotations

import pytest
import torch

from memories.base import InvalidParameter
from tasks.association.patterns import NAMES, likeness, stepwise, structures
from tasks.capacity_matrix_vs_linear import CapacityMatrixVsLinear
from tests.memories import theory
from tests.tasks.cells import cell, curve, metric, numbers, run

TASK = "capacity-matrix-vs-linear"


def averaged(memory, name, task_params=None, memory_params=None, block=(0, 1, 2)):
    outcomes = run(cell(memory, TASK, task_params, memory_params), list(block))
    return sum(metric(o, name) for o in outcomes) / len(outcomes)


def test_slots_hold_half_as_many_pairs_as_dimensions_at_equal_state():
    """D^2 = 4096 floats are 32 slots of 128: all right at 32, (32 + 32/1024)/48 at 48. The
    crossings at .9 are interpolated: 32 + 16 x .1/(1 - .667) = 36.8.
    """
    made = cell("ring-attention", TASK, {}, {"capacity": 32, "beta": 50.0})
    (outcome,) = run(made, [0])
    acc = curve(outcome, "acc_code")
    assert acc[32] == 1
    assert acc[64] == pytest.approx(0.5, abs=0.005)
    assert metric(outcome, "capacity_90") == pytest.approx(36.8, abs=0.1)
    assert metric(outcome, "capacity_per_dim") == metric(outcome, "capacity_90") / 64
    floats = 32 * 128
    per_1000 = metric(outcome, "capacity_per_1000_floats")
    assert per_1000 == pytest.approx(1000 * metric(outcome, "capacity_90") / floats)
    assert metric(outcome, "bits_per_float") == pytest.approx(32 * 10 / floats)


@pytest.mark.parametrize("dim", [32, 64])
def test_a_sum_of_outer_products_keeps_a_cosine_of_nine_tenths_up_to_a_quarter_of_d(dim):
    """1/sqrt(1 + (N-1)/D) = .9 at N = 1 + (1/.81 - 1) D = 1 + .2346 D; read off a fine grid, and
    .03 of error in the cosine's curve is about 1 item of 16.
    """
    settings = {"dim": dim, "loads": list(range(4, 29, 2))}
    seen = averaged("linear-assoc", "capacity_cosine_90", settings)
    assert seen == pytest.approx(1 + 0.2346 * dim, abs=1.0)


def test_the_delta_rule_holds_as_many_orthonormal_pairs_as_dimensions():
    for memory in ("delta", "linear-assoc"):
        (outcome,) = run(cell(memory, TASK, {"key_dist": "orthonormal"}), [0])
        assert metric(outcome, "capacity_cosine_90") == metric(outcome, "capacity_90") == 64
        assert outcome.notes["censored"]["capacity_90"] == "right"
        assert curve(outcome, "cosine")[64] == pytest.approx(1, abs=1e-5)


def test_on_random_keys_the_delta_rule_lies_between_its_first_and_last_item():
    """Mean signal (D/N)(1 - (1-1/D)^N) over the norm's root: .68 at N = D = 64."""
    (outcome,) = run(cell("delta", TASK), [0])
    cosine = curve(outcome, "cosine")
    energies = theory.delta_energies(64, 64)
    expected = sum(theory.delta_signal(63 - k, 64) / energies[k] ** 0.5 for k in range(64)) / 64
    assert cosine[64] == pytest.approx(expected, abs=0.02)
    assert metric(outcome, "capacity_cosine_90") < 64 < metric(outcome, "capacity_50")


def test_loads_beyond_the_number_of_orthonormal_keys_become_that_number():
    task = CapacityMatrixVsLinear(dim=45, key_dist="orthonormal")
    assert task.loads == (1, 2, 4, 8, 16, 32, 45)
    assert task.dictates()["max_events"] == 45
    assert CapacityMatrixVsLinear(key_dist="orthonormal", loads=(8, 64)).loads == (8, 64)
    assert CapacityMatrixVsLinear().loads[-1] == 512


def test_recalling_nothing_and_echoing_the_key_have_no_capacity():
    settings = {"loads": [1, 8, 64], "episodes": 10}
    for memory in ("zero", "echo"):
        (outcome,) = run(cell(memory, TASK, settings), [0])
        assert metric(outcome, "capacity_90") == metric(outcome, "capacity_cosine_50") == 0
        assert outcome.notes["censored"]["capacity_90"] == "left"
        assert max(curve(outcome, "acc_code").values()) <= 0.1
        assert curve(outcome, "acc_code")[64] <= 9 / 640


def test_a_capacity_without_state_is_not_divided_by_it():
    (outcome,) = run(cell("zero", TASK, {"loads": [4], "episodes": 1}), [0])
    assert not {"capacity_per_1000_floats", "bits_per_float"} & {m.name for m in outcome.metrics}


def noise(seed, rows=1):
    return torch.randn(rows, 56, 64, generator=torch.Generator().manual_seed(seed))


def test_the_faithful_patterns_are_neither_of_one_length_nor_orthogonal():
    """Rows and columns have norm sqrt 8; a row meets a column in one cell: 1/8. The eight rows and
    the eight columns both sum to the full picture: rank 15, and no cell lies in their span. What
    is left of a random pattern still has cosines above .2 to rows and columns.
    """
    (patterns,) = stepwise(noise(0))
    assert patterns.shape == (80, 64)
    norms = patterns.norm(dim=-1)
    assert norms[:16].tolist() == pytest.approx([8**0.5] * 16)
    assert norms[16:].tolist() == pytest.approx([1.0] * 64, abs=1e-5)
    cosine = torch.cosine_similarity(patterns[0], patterns[8:16], dim=-1)
    assert cosine.tolist() == pytest.approx([1 / 8] * 8)
    assert torch.linalg.matrix_rank(patterns[:16]) == 15
    assert torch.linalg.matrix_rank(patterns[:24]) == 23
    assert (patterns[24:] @ patterns[:16].T / 8**0.5).abs().max() > 0.2


def test_random_patterns_are_taken_through_the_earlier_ones_in_turn():
    """One random pattern, step by step; each lane by its own."""
    drawn = noise(1, rows=2)
    patterns = stepwise(drawn[:, :1])
    for lane in range(2):
        x = drawn[lane, 0]
        for y in patterns[lane, :24]:
            x = x - torch.dot(x, y) * y
        torch.testing.assert_close(patterns[lane, 24], x / x.norm(), rtol=0, atol=1e-5)


def test_the_faithful_test_is_passed_by_returning_the_query():
    """It is auto-associative: the echo scores 1 at every number of patterns, storing nothing."""
    settings = {"test": "faithful", "episodes": 2}
    (echo,) = run(cell("echo", TASK, settings), [0])
    assert curve(echo, "success") == {float(n): 1 for n in range(10, 81, 10)}
    assert echo.marks == ("stores nothing",)
    (zero,) = run(cell("zero", TASK, settings), [0])
    assert metric(zero, "success_mean") == 0
    (linear,) = run(cell("linear-assoc", TASK, settings), [0])
    assert 0 < metric(linear, "success_mean") < 1


def test_the_structured_patterns_look_as_named():
    """Cells: 8 of the diagonal, 15 of the cross, 28 of the border, 32 of the board; the ring's
    distances 1.41, 2, 2.24 and 2.83 come 4, 4, 8 and 4 times, those of 1 and 3 are left out.
    """
    patterns = structures()
    assert dict(zip(NAMES, patterns.sum(-1).int().tolist(), strict=True)) == {
        "diagonal": 8, "cross": 15, "border": 28, "checkerboard": 32, "ring": 20,
    }  # fmt: skip
    assert set(patterns.flatten().tolist()) == {0.0, 1.0}
    ring = patterns[4].reshape(8, 8)
    assert ring[4, 4] == ring[4, 5] == ring[4, 7] == 0
    assert ring[4, 6] == ring[3, 3] == ring[2, 2] == 1


@pytest.mark.parametrize(
    ("recalled", "cosine", "pearson", "overlap"),
    [
        ([1.0, 1.0, 0.0, 0.0], 1.0, 1.0, 1.0),
        ([0.4, 0.4, 0.0, 0.0], 1.0, 1.0, 0.0),
        ([1.0, 0.0, 0.0, 1.0], 0.5, 0.0, 0.5),
        ([1.0, 1.0, 1.0, 1.0], 2**-0.5, 0.0, 1.0),
        ([0.0, 0.0, 1.0, 1.0], 0.0, -1.0, 0.0),
        ([0.0, 0.0, 0.0, 0.0], 0.0, 0.0, 0.0),
    ],
)
def test_likeness_of_small_pictures(recalled, cosine, pearson, overlap):
    seen = likeness(torch.tensor(recalled), torch.tensor([1.0, 1.0, 0.0, 0.0]))
    assert seen["frobenius_cosine"].item() == pytest.approx(cosine, abs=1e-6)
    assert seen["pearson"].item() == pytest.approx(pearson, abs=1e-6)
    assert seen["peak_overlap"].item() == overlap


def test_structure_is_scored_per_pattern():
    (outcome,) = run(cell("exact-knn", TASK, {"test": "structure", "episodes": 3}), [0])
    for name in ("frobenius_cosine", "pearson", "peak_overlap"):
        assert list(curve(outcome, name).values()) == pytest.approx([1] * 5)
        assert metric(outcome, f"{name}_mean") == pytest.approx(1)
    assert outcome.notes == {"patterns": list(NAMES)}


def test_a_memory_of_the_last_pattern_answers_each_in_turn():
    """Any of the five is last with probability 1/5: the mean cosine to all five, within 5 standard
    errors of 400 draws that vary by at most .35.
    """
    (last,) = run(cell("last-value", TASK, {"test": "structure", "episodes": 400}), [0])
    pictures = structures()
    expected = torch.cosine_similarity(pictures[:, None], pictures[None], dim=-1).mean(-1)
    seen = curve(last, "frobenius_cosine")
    assert list(seen.values()) == pytest.approx(expected.tolist(), abs=5 * 0.35 / 20)


@pytest.mark.parametrize("test", ["contrast", "faithful", "structure"])
def test_a_seed_alone_scores_as_it_does_in_a_block(test):
    made = cell("delta", TASK, {"test": test, "episodes": 2, "loads": [32, 128]})
    together = run(made, [0, 1, 2])
    assert numbers(run(made, [2])[0]) == pytest.approx(numbers(together[2]), abs=1e-6)
    assert numbers(together[0]) != numbers(together[1])


def test_what_cannot_be_asked_is_refused():
    for loads in ((), (8, 8), (16, 8)):
        with pytest.raises(InvalidParameter, match="loads: must be increasing"):
            CapacityMatrixVsLinear(loads=loads)
    with pytest.raises(InvalidParameter, match="dim: patterns have 64 cells, got 32 and 32"):
        CapacityMatrixVsLinear(test="faithful", dim=32)
    assert CapacityMatrixVsLinear(test="structure").requires() == frozenset()
    assert CapacityMatrixVsLinear().requires() == {"hetero"}
