"""Times, orders and successors of events."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from bench import registry
from memories.base import AssociativeMemory, InvalidParameter, State
from tasks import order_when
from tasks.association.time_code import decode_times, time_codes
from tasks.order_when import OrderWhen
from tests.tasks.cells import cell, metric, numbers, run

NAMES = {"when_acc", "when_error", "order", "kendall_tau", "acc_code", "cosine"}


@pytest.mark.parametrize("n", [2, 20, 500])
def test_time_codes_are_unit_vectors_that_tell_all_times_apart(n):
    codes = time_codes(n)
    assert codes.shape == (n, 16)
    torch.testing.assert_close(codes.norm(dim=-1), torch.ones(n), rtol=0, atol=1e-6)
    decoded, nearest = decode_times(3 * codes[None], codes)
    assert decoded[0].tolist() == list(range(n))
    assert nearest.sum() == n


def test_a_time_code_is_the_sine_and_cosine_of_eight_periods():
    """w_i = 40^(i/7) for 20 events: w_0 = 1, w_7 = 40."""
    code = time_codes(20)[3]
    assert code[0].item() == pytest.approx(math.sin(3) / math.sqrt(8))
    assert code[1].item() == pytest.approx(math.cos(3) / math.sqrt(8))
    assert code[6].item() == pytest.approx(math.sin(3 / 40 ** (3 / 7)) / math.sqrt(8))
    assert code[15].item() == pytest.approx(math.cos(3 / 40) / math.sqrt(8))


def test_a_read_without_a_time_is_decoded_to_the_middle():
    decoded, nearest = decode_times(torch.zeros(1, 2, 16), time_codes(9))
    assert decoded.tolist() == [[4.0, 4.0]]
    assert nearest.all()


@pytest.mark.parametrize(
    ("said", "order", "tau"),
    [
        ([0, 1, 2, 3], 1.0, 1.0),
        ([3, 2, 1, 0], 0.0, -1.0),
        ([0, 2, 1, 3], 5 / 6, 2 / 3),
        ([5, 5, 5, 5], 0.5, 0.0),
        ([0, 0, 1, 1], 5 / 6, 4 / math.sqrt(6 * 4)),
    ],
)
def test_orders_count_pairs_and_ties_half(said, order, tau):
    """The last: 4 pairs right, 2 tied; tau-b = 4 / sqrt(6 (6 - 2))."""
    decoded = torch.tensor([said], dtype=torch.float64)
    times = torch.arange(4)[None]
    assert order_when._in_order(decoded, times).item() == pytest.approx(order)
    assert order_when._kendall(decoded, times).item() == pytest.approx(tau)
    shuffled = torch.tensor([2, 0, 3, 1])
    assert order_when._in_order(decoded[:, shuffled], times[:, shuffled]).item() == pytest.approx(
        order
    )


@pytest.mark.parametrize("presentation", ["sequential", "permuted"])
@pytest.mark.parametrize("memory", ["exact-knn", "episodic-linear"])
def test_slots_recall_every_time_whatever_the_order_of_writing(memory, presentation):
    (outcome,) = run(cell(memory, "order-when", {"presentation": presentation}), [0])
    for name in ("when_acc", "order", "kendall_tau", "acc_code"):
        assert metric(outcome, name) == 1, name
    assert metric(outcome, "when_error") == 0


def test_the_time_of_an_event_recalls_its_content_without_a_key():
    """beta w_t = 8, scale 1: a neighbour weighs e^(-8 (1 - 1/e)) = .006 of the event itself."""
    for presentation in ("sequential", "permuted"):
        made = cell(
            "episodic-linear", "order-when", {"presentation": presentation},
            {"recency_weight": 0.0},
        )  # fmt: skip
        (outcome,) = run(made, [0])
        assert metric(outcome, "acc_at_time") == 1
        assert outcome.n_eval == 40 * 20


def test_cues_that_a_memory_does_not_take_are_not_tried():
    (outcome,) = run(cell("delta", "order-when"), [0])
    assert {m.name for m in outcome.metrics} == NAMES


class Chain(AssociativeMemory):
    """Sums value x key for recall, and next value x key for what followed.

    Args:
        key_dim: D.
        value_dim: V.
    """

    recalls_order = True

    def __init__(self, key_dim: int, value_dim: int) -> None:
        super().__init__()
        self.shape = (key_dim, value_dim)
        self.scalar("blank", 0.0)

    def init_state(self) -> State:
        zeros = self.blank.new_zeros(*self.shape)
        return {"own": zeros, "next": zeros, "last": zeros[:, 0]}

    def write(
        self,
        state: State,
        keys: Tensor,
        values: Tensor,
        times: Tensor | None = None,
        contexts: Tensor | None = None,
    ) -> State:
        before = torch.cat([state["last"][None], keys[:-1]])
        return {
            "own": state["own"] + keys.T @ values,
            "next": state["next"] + before.T @ values,
            "last": keys[-1],
        }

    def read(
        self,
        state: State,
        queries: Tensor,
        times: Tensor | None = None,
        contexts: Tensor | None = None,
    ) -> Tensor:
        return queries @ state["own"]

    def successor(self, state: State, queries: Tensor) -> Tensor:
        return queries @ state["next"]


@pytest.mark.parametrize("presentation", ["sequential", "permuted"])
def test_a_memory_that_recalls_order_is_asked_what_was_written_next(
    temporary_entries, presentation
):
    """256 dimensions and 20 pairs: leaks of energy 18/256, always decoded."""
    registry.memory("chain", family="fake")(Chain)
    settings = {"dim": 256, "presentation": presentation}
    (outcome,) = run(cell("chain", "order-when", settings), [0])
    assert metric(outcome, "acc_next") == 1
    assert metric(outcome, "acc_code") == 1
    assert outcome.n_eval == (20 + 19) * 20


def test_what_followed_must_be_finite_too(temporary_entries, monkeypatch):
    registry.memory("chain", family="fake")(Chain)
    monkeypatch.setattr(Chain, "successor", lambda self, state, queries: queries / 0)
    (outcome,) = run(cell("chain", "order-when"), [0])
    assert (outcome.status, outcome.message) == (
        "nonfinite", "a read of probe next was not finite",
    )  # fmt: skip


def test_recalling_nothing_is_chance():
    """Decoded to the middle: distance as that of two random times, (N^2 - 1)/(3 N^2)."""
    (outcome,) = run(cell("zero", "order-when"), [0])
    expected = {
        "when_acc": 1 / 20,
        "when_error": (400 - 1) / 1200,
        "order": 0.5,
        "kendall_tau": 0.0,
        "acc_code": 1 / 1024,
        "cosine": 0.0,
    }
    assert {m.name: m.value for m in outcome.metrics} == pytest.approx(expected, abs=1e-6)
    assert {m.name: m.chance for m in outcome.metrics} == pytest.approx(expected, abs=1e-6)


def test_echoing_the_key_is_at_chance():
    """60 lists of 20: times right within 5 standard deviations of sqrt(.05 x .95/1200) = .006,
    pairs of random order within 5 of .28/sqrt(60)/2 = .01.
    """
    outcomes = run(cell("echo", "order-when"), [0, 1, 2])
    seen = {name: sum(metric(o, name) for o in outcomes) / 3 for name in NAMES}
    assert seen["when_acc"] == pytest.approx(1 / 20, abs=0.032)
    assert seen["order"] == pytest.approx(0.5, abs=0.055)
    assert seen["kendall_tau"] == pytest.approx(0, abs=0.11)
    assert seen["acc_code"] <= 9 / 1200


def test_a_seed_alone_scores_as_it_does_in_a_block():
    made = cell("episodic-linear", "order-when", {"episodes": 3, "items": 40}, {"beta": 6.0})
    together = run(made, [0, 1, 2])
    assert numbers(run(made, [2])[0]) == pytest.approx(numbers(together[2]), abs=1e-6)
    assert numbers(together[0]) != numbers(together[1])


def test_values_must_have_room_for_a_time_and_a_content():
    with pytest.raises(InvalidParameter, match="dim: must be at least 18"):
        OrderWhen(dim=17)
    with pytest.raises(InvalidParameter, match="value_dim: must be at least 18"):
        OrderWhen(value_dim=16)
    with pytest.raises(InvalidParameter, match="items: 20 events need 20 codes"):
        OrderWhen(pool=19)
