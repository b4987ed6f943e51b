"""Recall by trained models: what is trained, chosen, scored, marked and continued."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from bench import registry
from bench.running.checkpoint import Checkpoint
from bench.running.workbench import Workbench
from memories.base import InvalidParameter
from tasks import mqar_tokens
from tasks.mqar_tokens import MqarTokens
from tests.tasks.cells import cell, curve, metric, numbers, run
from tests.tasks.mqar.layers import Silent

TINY: dict[str, Any] = {
    "vocabulary": 32, "length": 16, "pairs": 2, "width": 16, "batch": 16, "eval_sequences": 100,
}  # fmt: skip
BRIEF = {**TINY, "steps": 12}
LEARNED = {**TINY, "steps": 300, "batch": 32, "learning_rate": 1e-2}


def test_a_memory_that_binds_learns_the_task():
    """Two pairs in 16 dimensions; after 300 steps the answer is found nearly always."""
    (outcome,) = run(cell("linear-assoc", "mqar-tokens", LEARNED), [0])
    assert metric(outcome, "accuracy") > 0.95
    assert metric(outcome, "train_loss_final") < 0.3
    assert outcome.marks == ()
    assert "warnings" not in outcome.notes


def test_without_a_memory_nothing_better_than_guessing_among_all_values_is_learned(
    temporary_entries,
):
    """The 16 values are equally likely given the query's token: the loss cannot fall below ln 16,
    but for the noise of 50 batches of 64 answers, and accuracy is 1/16 +- .02.
    """
    registry.memory("silent", family="fake")(Silent)
    (outcome,) = run(cell("silent", "mqar-tokens", {**LEARNED, "eval_sequences": 500}), [0])
    assert metric(outcome, "train_loss_final") == pytest.approx(math.log(16), abs=0.08)
    assert metric(outcome, "accuracy") == pytest.approx(1 / 16, abs=0.04)
    assert outcome.marks == ("undertrained",)


def test_metrics_say_what_guessing_gives_and_how_fine_they_are():
    (outcome,) = run(cell("delta", "mqar-tokens", BRIEF), [0])
    by_name = {(m.name, m.x): m for m in outcome.metrics}
    accuracy = by_name["accuracy", None]
    assert outcome.n_eval == 200
    assert (accuracy.chance, accuracy.resolution, accuracy.primary) == (1 / 16, 1 / 200, True)
    loss = by_name["train_loss_final", None]
    assert (loss.direction, loss.unit, loss.chance) == ("lower", "nats", math.log(16))
    assert [m.name for m in outcome.metrics if m.primary] == ["accuracy"]


def test_accuracy_by_gap_splits_accuracy_by_powers_of_two(monkeypatch):
    """Weighted by the queries in its bins, the curve averages to the accuracy."""
    made = cell("linear-assoc", "mqar-tokens", {**LEARNED, "steps": 60})
    (outcome,) = run(made, [3])
    asked = MqarTokens(**LEARNED).format.draw(
        100, Workbench(made, [3]).torch_rng(3, "test", "scored")
    )
    bins = torch.floor(torch.log2(asked.gaps.double()))
    points = curve(outcome, "accuracy_by_gap")
    assert sorted(points) == [2.0**e for e in bins.unique().tolist()]
    mean = sum(points[2.0**e] * float((bins == e).double().mean()) for e in bins.unique().tolist())
    assert mean == pytest.approx(metric(outcome, "accuracy"))
    assert 0.1 < mean < 0.9


def test_a_model_that_has_not_learned_is_marked_and_says_so():
    """Twelve steps leave the loss near ln 16 = 2.77, above its half 1.39."""
    (outcome,) = run(cell("delta", "mqar-tokens", BRIEF), [0])
    assert metric(outcome, "train_loss_final") > 1.39
    assert outcome.marks == ("undertrained",)
    (warning,) = outcome.notes["warnings"]
    assert "undertrained" in warning
    assert "exceeds 1.39" in warning


@pytest.mark.parametrize(("share", "marks"), [(0.99, ()), (0.5, ("undertrained",))])
def test_the_limit_of_the_mark_is_a_share_of_the_loss_of_guessing(monkeypatch, share, marks):
    """After 60 steps the loss lies between half and all of ln 16."""
    monkeypatch.setattr(mqar_tokens, "UNDERTRAINED", share)
    made = cell("delta", "mqar-tokens", {**TINY, "steps": 60, "learning_rate": 1e-2})
    (outcome,) = run(made, [0])
    assert 0.5 < metric(outcome, "train_loss_final") / math.log(16) < 0.99
    assert outcome.marks == marks


def test_the_final_loss_is_the_mean_of_the_last_fifty_steps_of_the_series():
    (outcome,) = run(cell("linear-assoc", "mqar-tokens", {**LEARNED, "steps": 80}), [0])
    losses = outcome.series["train_loss"]
    assert losses.shape == (80,)
    assert metric(outcome, "train_loss_final") == pytest.approx(losses[-50:].mean())
    assert losses[:5].mean() > losses[-5:].mean()


@pytest.mark.parametrize("memory", ["delta", "linear-assoc", "ring-attention"])
def test_a_seed_alone_learns_what_it_learns_in_a_block(memory):
    made = cell(memory, "mqar-tokens", {**TINY, "steps": 20})
    together = run(made, [0, 1, 2])
    for seed in (0, 2):
        (alone,) = run(made, [seed])
        np.testing.assert_allclose(
            alone.series["train_loss"], together[seed].series["train_loss"], rtol=0, atol=1e-4
        )
        assert metric(alone, "accuracy") == pytest.approx(
            metric(together[seed], "accuracy"), abs=0.01
        )
    assert together[0].series["train_loss"].tolist() != together[1].series["train_loss"].tolist()


def test_the_same_seed_gives_the_same_numbers_bit_for_bit():
    made = cell("delta", "mqar-tokens", BRIEF)
    first, second = run(made, [0, 1]), run(made, [0, 1])
    assert [numbers(o) for o in first] == [numbers(o) for o in second]


def test_of_several_learning_rates_the_one_with_the_smallest_validation_loss_is_kept():
    """A rate of 1e-7 learns nothing in 60 steps; the other is what a run at it alone gives."""
    settings = {**LEARNED, "steps": 60}
    made = cell("linear-assoc", "mqar-tokens", {**settings, "learning_rate": [1e-7, 1e-2, 2e-2]})
    for outcome, alone in zip(
        run(made, [0, 1]), run(cell("linear-assoc", "mqar-tokens", settings), [0, 1]), strict=True
    ):
        tuned = outcome.notes["tuned"]
        best = int(np.argmin(tuned["validation_loss"]))
        assert tuned["candidates"][best] == tuned["choice"]
        rate = tuned["choice"]["learning_rate"]
        assert rate == outcome.notes["training"]["learning_rate"] > 1e-7
        assert tuned["at_edge"] == (["learning_rate"] if rate == 2e-2 else [])
        if rate == 1e-2:
            np.testing.assert_allclose(
                outcome.series["train_loss"], alone.series["train_loss"], rtol=0, atol=1e-3
            )


def test_a_choice_at_the_edge_of_its_grid_is_said():
    settings = {**LEARNED, "steps": 40, "learning_rate": [1e-7, 1e-2]}
    (outcome,) = run(cell("linear-assoc", "mqar-tokens", settings), [0])
    assert outcome.notes["tuned"]["choice"] == {"learning_rate": 1e-2}
    assert outcome.notes["warnings"][0] == (
        "the choice learning_rate = 0.01 lies at the edge of its grid"
    )


def test_learning_rates_are_chosen_on_sequences_that_are_not_scored(monkeypatch):
    asked: list[tuple[Any, ...]] = []
    original = Workbench.torch_rng

    def noted(self: Workbench, seed: int, split: str, *key: int | str) -> torch.Generator:
        asked.append((split, key[0]))
        return original(self, seed, split, *key)

    monkeypatch.setattr(Workbench, "torch_rng", noted)
    run(cell("delta", "mqar-tokens", {**BRIEF, "learning_rate": [1e-3, 3e-3]}), [0])
    assert asked == [
        ("test", "model"),
        *[("test", "training")] * 12,
        ("validation", "selection"),
        ("test", "scored"),
    ]


def test_a_training_that_diverges_is_nonfinite_and_loses_to_one_that_does_not():
    """A first step of 1e30 overflows the next forward pass."""
    (outcome,) = run(cell("delta", "mqar-tokens", {**BRIEF, "learning_rate": 1e30}), [0])
    assert outcome.status == "nonfinite"
    assert outcome.message.startswith("the training loss was not finite at step ")
    settings = {**BRIEF, "learning_rate": [1e-3, 1e30]}
    (outcome,) = run(cell("delta", "mqar-tokens", settings), [0])
    assert outcome.status == "ok"
    assert outcome.notes["tuned"]["choice"] == {"learning_rate": 1e-3}
    assert outcome.notes["tuned"]["validation_loss"][1] is None


class _OnlyAt(Checkpoint):
    """Writes at one position and nowhere else."""

    def __init__(self, file: Path, position: int) -> None:
        super().__init__(file, every_s=0)
        self.position = position

    def offer(self, position: int, tensors: Callable[[], dict[str, Tensor]]) -> None:
        if position == self.position:
            super().offer(position, tensors)


@pytest.mark.parametrize("kept", [1, 5, 12])
def test_a_killed_training_goes_on_bit_equal(tmp_path, kept):
    made = cell("delta", "mqar-tokens", {**BRIEF, "learning_rate": [1e-3, 3e-3]})
    whole = run(made, [0, 1])
    file = tmp_path / "block.safetensors"

    def killed(done: int, total: int) -> None:
        assert total == 12
        if done == min(kept + 3, 12):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(made, [0, 1], checkpoint=_OnlyAt(file, kept), progress=killed)
    seen: list[int] = []
    again = run(
        made,
        [0, 1],
        checkpoint=_OnlyAt(file, -1),
        progress=lambda done, _: seen.append(done),
    )
    assert seen == list(range(kept + 1, 13))
    assert [numbers(o) for o in again] == [numbers(o) for o in whole]
    for one, other in zip(again, whole, strict=True):
        assert np.array_equal(one.series["train_loss"], other.series["train_loss"])


@pytest.mark.parametrize(
    "settings",
    [
        {"variant": "forgetting", "rewrites": 2},
        {"variant": "compositional", "pairs": 4, "length": 24},
        {"passes": 2, "fillers": "random", "power": 1.0},
        {"legacy_order": True, "legacy_fillers": True, "fillers": "random"},
        {"gates": []},
    ],
)
def test_every_variant_runs_to_its_end(settings):
    (outcome,) = run(cell("delta", "mqar-tokens", {**BRIEF, **settings}), [0])
    assert outcome.status == "ok"
    values = 12 if settings.get("variant") == "compositional" else 16
    chance = {m.chance for m in outcome.metrics if m.name == "accuracy"}
    assert chance == {1 / values}


def test_parameters_reach_the_sequences():
    settings = {
        "vocabulary": 80, "length": 60, "pairs": 5, "variant": "forgetting", "rewrites": 3,
        "passes": 2, "power": 0.5, "fillers": "random", "legacy_order": True,
        "legacy_fillers": True,
    }  # fmt: skip
    assert vars(MqarTokens(**settings).format) == settings


def test_a_memory_must_scan_in_chunks_and_over_stacked_sequences():
    needed = MqarTokens().requires()
    assert needed == {"chunked_scan", "vectorized"}
    assert all(getattr(registry.get("memory", "delta").cls, flag) for flag in needed)
    assert not registry.get("memory", "ar-rag").cls.chunked_scan


def test_keys_and_values_have_the_width_of_the_model():
    assert MqarTokens(**TINY).dictates() == {
        "key_dim": 16,
        "value_dim": 16,
        "context_dim": 0,
        "max_events": 16,
    }


@pytest.mark.parametrize(
    ("settings", "parameter"),
    [
        ({"learning_rate": []}, "learning_rate"),
        ({"learning_rate": [1e-3, 1e-3]}, "learning_rate"),
        ({"length": 63}, "length"),
        ({"vocabulary": 64}, "vocabulary"),
        ({"pairs": 17}, "pairs"),
        ({"rewrites": 1}, "rewrites"),
    ],
)
def test_settings_that_cannot_be_used_are_refused_by_name(settings, parameter):
    with pytest.raises(InvalidParameter) as refused:
        MqarTokens(**settings)
    assert refused.value.parameter == parameter


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1])
def test_attention_leaves_chance_within_300_steps(seed):
    """Softmax attention at the default size: a loss below half of ln 512 = 3.12."""
    attention = {"capacity": 64, "key_norm": "none", "beta": 32**-0.5}
    made = cell("ring-attention", "mqar-tokens", {"steps": 300}, attention)
    (outcome,) = run(made, [seed])
    assert metric(outcome, "train_loss_final") < 3.12


@pytest.mark.slow
def test_attention_solves_the_default_task_and_no_fixed_state_does_better():
    """64 tokens, 8 pairs, width 32, 1,500 steps at one rate: at least .99, and at least what delta
    and sum reach less .01. Which of those two is ahead depends on seed and rate.
    """
    attention = {"capacity": 64, "key_norm": "none", "beta": 32**-0.5}
    trained = {"ring-attention": attention, "delta": {}, "linear-assoc": {}}
    accuracy = {
        memory: metric(run(cell(memory, "mqar-tokens", {}, params), [0])[0], "accuracy")
        for memory, params in trained.items()
    }
    assert accuracy["ring-attention"] >= 0.99
    assert accuracy["ring-attention"] >= max(accuracy.values()) - 0.01
