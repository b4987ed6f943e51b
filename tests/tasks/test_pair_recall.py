"""Plain recall of pairs, against closed forms."""

from __future__ import annotations

import math

import pytest
import torch

from bench import registry, seeds
from memories.base import InvalidParameter
from tasks.association.recall import bits_per_item, chance_reciprocal_rank
from tasks.pair_recall import PairRecall
from tests.memories import theory
from tests.tasks.cells import cell, metric, numbers, run
from tests.tasks.recorders import Gone, Recorder

POOL = 1024


def averaged(memory, task_params=None, memory_params=None, block=(0, 1, 2)):
    outcomes = run(cell(memory, "pair-recall", task_params, memory_params), list(block))
    return {
        name: sum(numbers(o)[name, None] for o in outcomes) / len(outcomes)
        for name, _ in numbers(outcomes[0])
    }


@pytest.mark.parametrize("items", [5, 100])
def test_slots_with_a_sharp_softmax_recall_all_they_hold(items):
    seen = averaged("episodic-linear", {"items": items}, {"beta": 1e3}, block=[0])
    assert seen["acc_code"] == seen["acc_stored"] == seen["mrr"] == 1
    assert seen["cosine"] >= 0.999
    assert seen["bits_per_item"] == 10


def test_zero_recall_is_chance_everywhere_and_has_cosine_zero():
    """Its error is the values' own energy, 1/V per entry."""
    (outcome,) = run(cell("zero", "pair-recall", {"items": 20, "episodes": 2}), [0])
    expected = {
        "acc_code": 1 / POOL,
        "acc_stored": 1 / 20,
        "cosine": 0,
        "mse": 1 / 64,
        "mrr": chance_reciprocal_rank(POOL),
        "bits_per_item": 0,
    }
    assert {m.name: m.value for m in outcome.metrics} == pytest.approx(expected, abs=1e-6)
    chances = {m.name: m.chance for m in outcome.metrics if m.name != "mse"}
    del expected["mse"]
    assert chances == pytest.approx(expected, abs=1e-9)


def test_echoing_the_key_is_at_chance():
    """1,200 queries at p = 1/1024: 1.2 hits expected, more than 9 once in 10^6 runs; 60 of the
    stored ones with a standard deviation of 7.5, cosines of deviation 1/8/sqrt(1200) = .004.
    """
    seen = averaged("echo")
    assert seen["acc_code"] <= 9 / 1200
    assert seen["acc_stored"] == pytest.approx(1 / 20, abs=5 * 7.5 / 1200)
    assert seen["cosine"] == pytest.approx(0, abs=5 * 0.004)
    wide = averaged("echo", {"key_dim": 16, "value_dim": 40})
    assert wide["acc_code"] <= 9 / 1200


@pytest.mark.parametrize(("n", "accuracy"), [(64, 1.0), (128, 0.97), (256, 0.67)])
def test_a_linear_memory_recalls_with_the_cosine_and_accuracy_of_theory(n, accuracy):
    """Cosine 1/sqrt(1 + (N-1)/D), error energy (N-1)/D spread over V entries."""
    seen = averaged("linear-assoc", {"items": n, "episodes": 10})
    assert seen["cosine"] == pytest.approx(theory.linear_cosine(n, 64), abs=0.02)
    assert seen["mse"] == pytest.approx(theory.linear_error_energy(n, 64) / 64, rel=0.03)
    assert seen["acc_code"] == pytest.approx(accuracy, abs=0.03)
    assert seen["bits_per_item"] == pytest.approx(bits_per_item(seen["acc_code"], POOL), abs=0.2)
    assert seen["bits_per_float"] == pytest.approx(n * seen["bits_per_item"] / 4096)


@pytest.mark.parametrize("memory", ["delta", "linear-assoc"])
def test_orthonormal_keys_are_recalled_exactly_up_to_their_number(memory):
    seen = averaged(memory, {"items": 32, "dim": 32, "key_dist": "orthonormal"})
    assert seen["acc_code"] == 1
    assert seen["cosine"] == pytest.approx(1, abs=1e-5)
    assert seen["mse"] == pytest.approx(0, abs=1e-10)


@pytest.mark.parametrize("noise", [0.5, 1.0])
def test_a_noisy_query_costs_the_linear_memory_its_cosine(noise):
    """rho/sqrt(rho^2 + (N-1)/D), rho = 1/sqrt(1 + noise^2)."""
    seen = averaged("linear-assoc", {"items": 20, "noise": noise, "episodes": 40})
    rho = 1 / math.sqrt(1 + noise**2)
    assert seen["cosine"] == pytest.approx(theory.linear_cosine(20, 64, rho), abs=0.02)


def test_correlated_keys_favour_the_delta_rule_over_the_sum():
    """Key cosine .3, 64 pairs: .69 against .38, as measured over six draws."""
    settings = {"items": 64, "key_dist": "correlated", "key_cosine": 0.3}
    delta, linear = (averaged(m, settings)["acc_code"] for m in ("delta", "linear-assoc"))
    assert delta == pytest.approx(0.69, abs=0.05)
    assert linear == pytest.approx(0.38, abs=0.05)


def test_strongly_correlated_keys_leave_only_least_squares_able():
    """Key cosine .6, 32 pairs: .07 and .11 for delta and sum, as measured over six draws, and 1:
    32 independent keys of 64 dimensions are solved for exactly, however alike they are.
    """
    settings = {"items": 32, "key_dist": "correlated", "key_cosine": 0.6}
    seen = {m: averaged(m, settings)["acc_code"] for m in ("delta", "linear-assoc", "ridge-assoc")}
    assert seen["ridge-assoc"] == 1
    assert seen["delta"] == pytest.approx(0.07, abs=0.05)
    assert seen["linear-assoc"] == pytest.approx(0.11, abs=0.05)


def test_gaussian_values_are_scored_by_cosine_and_ranked_among_those_stored():
    """D = 32, 20 pairs: the sum of outer products of unit keys has cosine 1/sqrt(1 + 19/32)."""
    settings = {"dim": 32, "key_dist": "gauss", "values": "gauss", "episodes": 20}
    (outcome,) = run(cell("linear-assoc", "pair-recall", settings), [0])
    (primary,) = [m for m in outcome.metrics if m.primary]
    assert primary.name == "cosine"
    assert primary.value == pytest.approx(theory.linear_cosine(20, 32), abs=0.02)
    names = {m.name: m for m in outcome.metrics}
    assert not {"acc_code", "bits_per_item", "bits_per_float"} & names.keys()
    assert names["mrr"].chance == pytest.approx(chance_reciprocal_rank(20))
    (exact,) = run(cell("exact-knn", "pair-recall", settings), [0])
    assert metric(exact, "acc_stored") == metric(exact, "mrr") == 1
    assert metric(exact, "mse") == pytest.approx(0, abs=1e-10)


def test_the_data_of_a_seed_depend_on_the_seed_alone(temporary_entries, no_storage_probe):
    registry.memory("recorder", family="fake")(Recorder)
    given = []
    for block in ([3], [0, 3]):
        Recorder.calls.clear()
        run(cell("recorder", "pair-recall", {"items": 4, "dim": 8, "noise": 0.5}), block)
        rows = Recorder.calls[20 * block.index(3) :: 20 * len(block)]
        given.append([tensor for _, _, keys, values in rows for tensor in (keys, values)])
    Recorder.calls.clear()
    alone, among = given
    assert len(alone) == 4
    assert all(a is b is None or torch.equal(a, b) for a, b in zip(alone, among, strict=True))


@pytest.mark.parametrize("memory", ["delta", "episodic-linear"])
def test_a_seed_alone_scores_as_it_does_in_a_block(memory):
    made = cell(memory, "pair-recall", {"episodes": 4, "noise": 1.0})
    together = run(made, [0, 1, 2])
    for seed in (0, 2):
        assert numbers(run(made, [seed])[0]) == pytest.approx(numbers(together[seed]), abs=1e-6)
    assert numbers(together[0]) != numbers(together[1])


def test_a_read_that_is_not_finite_fails_its_own_seed_alone(temporary_entries):
    registry.memory("gone", family="fake")(Gone)
    drawn = torch.randint(2**40, (), generator=seeds.torch_generator(2, seeds.INIT))
    made = cell("gone", "pair-recall", {"items": 20}, {"limit": 20, "unlucky": int(drawn)})
    outcomes = run(made, [0, 1, 2])
    assert [o.status for o in outcomes] == ["ok", "ok", "nonfinite"]
    assert outcomes[2].message == "a read of probe recall was not finite"
    assert outcomes[2].metrics == []


def test_impossible_lists_are_refused():
    with pytest.raises(InvalidParameter, match="items: there are no 65 orthonormal keys of"):
        PairRecall(items=65, key_dist="orthonormal")
    with pytest.raises(InvalidParameter, match="items: 20 items need 20 codes"):
        PairRecall(pool=19)
    assert PairRecall(pool=19, values="gauss").dictates()["max_events"] == 20
