"""Storage by descent: gradients, Adam and the time factor, each against something independent."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from scipy.optimize import brentq
from torch import Tensor
from torch.func import grad

from memories.sources.slot_descent import Moments, Scoring, columns, entries, time_factor
from memories.sources.versions import VERSIONS, Version

M, D, V, C = 6, 5, 4, 3


def normal(seed: int, *shape: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def scoring(version: Version, used: int, *, now: int = 4) -> Scoring:
    rate = torch.tensor(0.1, dtype=torch.float64)
    return Scoring(version, rate, torch.tensor(now), torch.arange(M) < used)


def loss(slots: dict[str, Tensor], times: Tensor, event: dict[str, Tensor], s: Scoring) -> Tensor:
    """The objective, written with masks instead of selected rows."""
    scores = slots["keys"] @ event["keys"][0]
    if "contexts" in event:
        scores = scores + 0.5 * slots["contexts"] @ event["contexts"][0]
    sign = -1 if s.version.flipped else 1
    factor = torch.exp(-sign * s.rate * (s.now - slots.get("times", times)))
    if s.version.flipped:
        factor = factor.clamp(1e-8, 1.0)
    scores = (scores + s.version.recency * factor).masked_fill(~s.valid, -torch.inf)
    recalled = scores.softmax(0) @ slots["values"]
    error = (recalled - event["values"][0]).square().mean()
    used = slots["values"] * s.valid[:, None]
    gram = used @ used.mT - torch.diag(s.valid.to(used.dtype))
    counts = s.valid.sum() > 1
    return error + s.version.orthogonality * torch.where(counts, gram.square().sum(), 0.0)


@pytest.mark.parametrize("preset", ["v2", "v3", "v4", "v5"])
@pytest.mark.parametrize("with_context", [False, True])
@pytest.mark.parametrize("used", [1, 2, 4, 6])
def test_the_written_out_gradients_are_those_of_autograd(
    preset: Any, with_context: bool, used: int
) -> None:
    """At random slots, float64, with times on both sides of the clock."""
    version, s = VERSIONS[preset], scoring(VERSIONS[preset], used)
    times = torch.arange(float(M), dtype=torch.float64) + 0.25
    slots = {"keys": normal(1, M, D), "values": normal(2, M, V)}
    event = {"keys": normal(3, 1, D), "values": normal(4, 1, V)}
    if version.trains_times:
        slots["times"] = times
    if with_context:
        slots["contexts"], event["contexts"] = normal(5, M, C), normal(6, 1, C)
    expected = grad(loss)(slots, times, event, s)
    found = s.gradients(slots, s.bonus(times), event)
    assert found.keys() == expected.keys()
    for name, gradient in expected.items():
        torch.testing.assert_close(found[name], gradient, rtol=0, atol=1e-12)
        assert torch.equal(found[name][used:], torch.zeros_like(found[name][used:]))
    assert float(found["values"].abs().max()) > 1e-3


def test_the_first_step_moves_every_coordinate_by_the_learning_rate() -> None:
    """On fresh moments g / (|g| + eps): the sign of g to 1e-6 wherever |g| is above 1e-2."""
    start, gradient = normal(1, M, D).float(), normal(2, M, D).float()
    gradient = torch.where(gradient.abs() > 1e-2, gradient, 0.0)
    fresh = Moments(torch.zeros(M, D), torch.zeros(M, D), torch.zeros(D, dtype=torch.int64))
    moved, after = fresh.step(start, gradient, torch.tensor(0.01))
    torch.testing.assert_close(moved - start, -0.01 * gradient.sign(), rtol=0, atol=1e-6)
    assert after.taken.tolist() == [1] * D


def test_columns_may_have_taken_different_numbers_of_steps() -> None:
    """A column that starts later is corrected as torch's Adam corrects a parameter of its own."""
    late, early = (torch.nn.Parameter(normal(i, M, 1)) for i in (1, 2))
    optimisers = [torch.optim.Adam([p], lr=0.05) for p in (late, early)]
    rate = torch.tensor(0.05, dtype=torch.float64)
    weights = torch.cat([early.detach(), late.detach()], dim=1)
    moments = Moments(*torch.zeros(2, M, 2).double(), torch.zeros(2, dtype=torch.int64))
    for step in range(12):
        gradient = normal(10 + step, M, 2)
        early.grad, late.grad = gradient[:, :1], gradient[:, 1:] if step >= 5 else None
        for optimiser in optimisers:
            optimiser.step()
        active = 2 if step >= 5 else 1
        part = Moments(
            moments.first[:, :active], moments.second[:, :active], moments.taken[:active]
        )
        moved, part = part.step(weights[:, :active], gradient[:, :active], rate)
        weights = torch.cat([moved, weights[:, active:]], dim=1)
        state = {"first_moment": moments.first, "second_moment": moments.second}
        state |= {"steps": moments.taken[0], "context_steps": moments.taken[1]}
        moments = Moments.of({**state, **part.into(state, active - 1)}, 2, 1)
    expected = torch.cat([early.detach(), late.detach()], dim=1)
    torch.testing.assert_close(weights, expected, rtol=0, atol=1e-12)
    assert moments.taken.tolist() == [12, 7]


def test_a_coordinate_that_was_never_moved_has_a_finite_gradient() -> None:
    """The root of a second moment of zero; also of one whose square underflows."""
    gradient = torch.tensor([[0.0, 1e-30, 0.5]], requires_grad=True)
    fresh = Moments(torch.zeros(1, 3), torch.zeros(1, 3), torch.zeros(3, dtype=torch.int64))
    moved, _ = fresh.step(torch.zeros(1, 3), gradient, torch.tensor(0.01))
    moved.sum().backward()
    assert gradient.grad is not None
    assert gradient.grad.isfinite().all()
    assert float(moved[0, 0].detach()) == 0.0


@pytest.mark.parametrize(("dim", "norm"), [(64, 1.88), (32, 1.98)])
def test_orthogonality_holds_a_lone_recalled_value_at_a_length_far_below_its_target(
    dim: int, norm: float
) -> None:
    """Value m u against target sqrt(V) u, recalled alone: (m - sqrt(V))^2 / V + .01 (m^2 - 1)^2.

    Its derivative is 2 (m - sqrt(V)) / V + .04 m (m^2 - 1). A second used slot, orthogonal and of
    length one, makes the term count and adds nothing to it.
    """

    def slope(m: float) -> float:
        return 2 * (m - math.sqrt(dim)) / dim + 0.04 * m * (m * m - 1)

    m = brentq(slope, 1, 8)
    assert m == pytest.approx(norm, abs=0.005)
    directions = torch.eye(dim, dtype=torch.float64)
    slots = {
        "keys": 100 * directions[:M],
        "values": torch.cat([m * directions[:1], directions[1:M]]),
    }
    event = {"keys": directions[:1], "values": math.sqrt(dim) * directions[:1]}
    s = scoring(VERSIONS["v4"], used=2)
    found = s.gradients(slots, torch.zeros(M, dtype=torch.float64), event)
    assert float(found["values"].abs().max()) < 1e-12
    shorter = {**slots, "values": torch.cat([(m - 0.1) * directions[:1], directions[1:M]])}
    pulled = s.gradients(shorter, torch.zeros(M, dtype=torch.float64), event)
    assert float(pulled["values"][0, 0]) == pytest.approx(slope(m - 0.1), abs=1e-12)


def test_the_factor_of_an_event_ahead_of_the_clock_grows_by_e_to_a_tenth() -> None:
    """Stamps 0, 1, ... at a clock of 0; its share of the score is 2.0, 40 and 5979 at 19, 49, 99.

    0.3 e^1.9 = 2.01, 0.3 e^4.9 = 40.3, 0.3 e^9.9 = 5979.
    """
    stamps = torch.arange(100, dtype=torch.float64)
    rate = torch.tensor(0.1, dtype=torch.float64)
    factor = time_factor(torch.tensor(0), stamps, rate, flipped=False)
    torch.testing.assert_close(factor, torch.exp(0.1 * stamps), rtol=1e-12, atol=0)
    bonus = 0.3 * factor[[19, 49, 99]]
    assert bonus.tolist() == pytest.approx([2.006, 40.29, 5979.1], rel=1e-3)


@pytest.mark.parametrize("rate", [0.0, 0.1, 3.0])
def test_the_flipped_factor_is_one_for_every_past_time_and_falls_for_times_ahead(
    rate: float,
) -> None:
    """Even so long ago that the uncut exponential overflows."""
    past = time_factor(
        torch.tensor(5000), torch.tensor([0.0, 4990.0, 5000.0]), torch.tensor(rate), flipped=True
    )
    assert past.tolist() == [1.0, 1.0, 1.0]
    ahead = time_factor(
        torch.tensor(0), torch.tensor([1.0, 2.0, 1e4]), torch.tensor(0.1), flipped=True
    )
    expected = torch.tensor([math.exp(-0.1), math.exp(-0.2), 1e-8])
    torch.testing.assert_close(ahead, expected, rtol=1e-6, atol=0)


def test_columns_and_entries_are_inverse() -> None:
    parts = {
        "contexts": normal(1, M, C),
        "times": normal(2, M),
        "values": normal(3, M, V),
        "keys": normal(4, M, D),
    }
    joint = columns(parts)
    assert joint.shape == (M, D + V + 1 + C)
    assert torch.equal(joint[:, -C:], parts["contexts"])
    cut = entries(joint, parts)
    assert cut.keys() == parts.keys()
    assert all(torch.equal(cut[name], parts[name]) for name in parts)
