"""Dense associative memory: Hopfield at degree 2, bit errors, energy symmetries, soft readout."""

from __future__ import annotations

import math

import pytest
import torch
from scipy.linalg import hadamard
from scipy.special import ndtr

from bench import registry
from bench.lanes import Lanes
from memories.base import InvalidParameter
from tests.memories.case import build, events, generator
from tests.reference import dense_am as loop


def bits(seed: int, *shape: int) -> torch.Tensor:
    return torch.randint(0, 2, shape, generator=generator(seed)) * 2.0 - 1.0


def recalled(memory: object, patterns: torch.Tensor, queries: torch.Tensor) -> torch.Tensor:
    return memory.read(memory.write(memory.init_state(), patterns, patterns), queries)


def hopfield(patterns: torch.Tensor, state: torch.Tensor, free: slice, steps: int) -> torch.Tensor:
    """s <- sign(s J) with J the sum of outer products less its diagonal; ties keep the bit."""
    weights = patterns.mT @ patterns
    weights = weights - weights.diagonal().diag()
    for _ in range(steps):
        field = state @ weights
        new = torch.where(field == 0, state, field.sign())
        state = torch.cat([state[:, : free.start], new[:, free]], dim=-1)
    return state


def bit_error(n: int, n_patterns: int, degree: int, draws: int) -> float:
    """Share of the bits of stored patterns that one sweep turns wrong."""
    memory = build(
        "dense-am", key_dim=n, value_dim=n, capacity=n_patterns, degree=degree, mode="auto"
    )
    wrong = 0.0
    for draw in range(draws):
        patterns = bits(draw, n_patterns, n)
        wrong += float((recalled(memory, patterns, patterns) != patterns).float().mean())
    return wrong / draws


@pytest.mark.parametrize("steps", [1, 4])
@pytest.mark.parametrize("n_patterns", [5, 40, 200])
def test_degree_two_is_the_hopfield_network(n_patterns: int, steps: int) -> None:
    """Its field is 4 (s J): bit for bit, below, near and far above 0.14 patterns per bit."""
    memory = build(
        "dense-am",
        key_dim=64,
        value_dim=64,
        capacity=200,
        degree=2,
        mode="auto",
        steps=steps,
    )
    patterns, queries = bits(1, n_patterns, 64), bits(2, 50, 64)
    expected = hopfield(patterns, queries, slice(0, 64), steps)
    assert torch.equal(recalled(memory, patterns, queries), expected)


def test_degree_two_with_fixed_key_bits_is_the_hopfield_network() -> None:
    memory = build("dense-am", key_dim=40, value_dim=24, degree=2, steps=3)
    keys, values, queries = bits(1, 12, 40), bits(2, 12, 24), bits(3, 30, 40)
    out = memory.read(memory.write(memory.init_state(), keys, values), queries)
    start = torch.cat([queries, torch.zeros(30, 24)], dim=-1)
    settled = hopfield(torch.cat([keys, values], dim=-1), start, slice(40, 64), 3)
    assert torch.equal(out, settled[:, 40:])


@pytest.mark.parametrize(
    ("n", "n_patterns", "degree", "draws"),
    [(64, 200, 3, 40), (64, 400, 3, 10), (30, 400, 4, 12), (40, 700, 4, 12), (100, 500, 3, 8)],
)
def test_bits_err_as_often_as_the_gaussian_field_says(
    n: int, n_patterns: int, degree: int, draws: int
) -> None:
    """Phi(-sqrt(n^(p-1) / ((P-1) (2p-3)!!))): the signal against P-1 fields of a random pattern.

    The sum of fields is only nearly Gaussian: 5 to 18 % above it on 2e6 bits at n = 30 to 100,
    and 1.4e5 bits or more add chance: 25 %.
    """
    assert n * n_patterns * draws >= 1e5
    odd = math.prod(range(1, 2 * degree - 2, 2))
    expected = float(ndtr(-math.sqrt(n ** (degree - 1) / ((n_patterns - 1) * odd))))
    assert bit_error(n, n_patterns, degree, draws) == pytest.approx(expected, rel=0.25)


def test_degree_three_keeps_four_times_the_patterns_in_twice_the_bits() -> None:
    """n^2 / P decides: 4.4e-3 by the Gaussian field. Fewer bits exceed it more, 18 % at 64 and
    none at 128, measured on 1e6 bits; 1e5 and more of them add 5 % of chance.
    """
    assert bit_error(128, 800, 3, 2) == pytest.approx(bit_error(64, 200, 3, 20), rel=0.25)


def test_exponentials_keep_patterns_that_a_power_cannot() -> None:
    """2,000 patterns of 32 bits: noise over signal is P (cosh 2 / e^2)^32 = 8e-7 for e^z, and
    3 P / n^2 = 5.9, an error in every third bit, for degree 3.
    """
    patterns = bits(1, 2000, 32)
    size = {"key_dim": 32, "value_dim": 32, "capacity": 2000, "mode": "auto"}
    assert torch.equal(
        recalled(build("dense-am", degree="exp", **size), patterns, patterns), patterns
    )
    cubic = recalled(build("dense-am", degree=3, **size), patterns, patterns)
    assert float((cubic != patterns).float().mean()) == pytest.approx(1 / 3, abs=0.05)


@pytest.mark.parametrize("degree", [2, 3, 4, "exp"])
def test_flipped_bits_are_repaired(degree: int | str) -> None:
    """Ten patterns of 128 bits, 12 flipped: fields of the right one win by 8 standard deviations.

    At degree 2 signal 104 against noise sqrt(9 * 127) = 34 is the closest: 3 deviations, settled
    by a second sweep.
    """
    memory = build("dense-am", key_dim=128, value_dim=128, degree=degree, mode="auto", steps=2)
    patterns = bits(3, 10, 128)
    damaged = patterns.clone()
    damaged[:, :12] *= -1
    assert torch.equal(recalled(memory, patterns, damaged), patterns)


@pytest.mark.parametrize(
    ("degree", "rectified", "flips"), [(3, False, True), (4, False, False), (4, True, False)]
)
def test_a_mirrored_pattern_is_left_alone_by_even_powers_only(
    degree: int, rectified: bool, flips: bool
) -> None:
    """One pattern x, state -x, r = -(n-1): G = 6 r^2 + 2 > 0 pulls towards x at degree 3,
    G = 8 r^3 + 8 r < 0 holds -x at degree 4, and a rectified G is zero, so that bits stay.
    """
    memory = build(
        "dense-am", key_dim=16, value_dim=16, degree=degree, rectified=rectified, mode="auto"
    )
    pattern = bits(1, 1, 16)
    assert torch.equal(recalled(memory, pattern, -pattern), pattern if flips else -pattern)


def test_orthogonal_keys_recall_their_values_bit_by_bit() -> None:
    """Overlaps of other keys are 0, where an even power pulls no bit at all."""
    memory = build("dense-am", key_dim=32, value_dim=20, degree=4)
    keys, values = torch.tensor(hadamard(32)).float(), bits(1, 32, 20)
    out = memory.read(memory.write(memory.init_state(), keys, values), keys)
    assert torch.equal(out, values)


def test_a_bit_on_which_two_values_of_one_key_disagree_stays_unknown() -> None:
    memory = build("dense-am", key_dim=16, value_dim=4)
    key = bits(1, 1, 16)
    values = torch.tensor([[1.0, 1.0, -1.0, -1.0], [1.0, -1.0, 1.0, -1.0]])
    state = memory.write(memory.init_state(), torch.cat([key, key]), values)
    assert memory.read(state, key).tolist() == [[1.0, 0.0, 0.0, -1.0]]


def test_zero_counts_as_a_positive_bit() -> None:
    memory = build("dense-am", key_dim=4, value_dim=2)
    state = memory.write(memory.init_state(), torch.zeros(1, 4), torch.tensor([[0.0, -2.0]]))
    assert state["keys"][0].tolist() == [1.0, 1.0, 1.0, 1.0]
    assert state["values"][0].tolist() == [1.0, -1.0]


def test_one_soft_step_with_exponentials_is_softmax_attention_over_signs() -> None:
    """e^(P.q) with P.q = D cos: ring attention on sign keys with beta = D."""
    memory = build("dense-am", key_dim=16, value_dim=7, degree="exp", mode="hetero", capacity=30)
    ring = build("ring-attention", key_dim=16, value_dim=7, beta=16.0, capacity=30)
    keys, values = events(1, 40, key_dim=16, value_dim=7)
    queries = events(2, 25, key_dim=16)[0]
    out = memory.read(memory.write(memory.init_state(), keys, values), queries)
    expected = ring.read(ring.write(ring.init_state(), keys.sign(), values), queries.sign())
    torch.testing.assert_close(out, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    "params", [{"degree": 2}, {"degree": 4}, {"degree": 3, "rectified": True}], ids=str
)
def test_one_soft_step_recalls_the_values_of_orthogonal_keys_exactly(
    params: dict[str, object],
) -> None:
    memory = build("dense-am", key_dim=16, value_dim=3, mode="hetero", **params)
    keys = torch.tensor(hadamard(16)).float()
    values = events(1, 16, value_dim=3)[1]
    out = memory.read(memory.write(memory.init_state(), keys, values), keys)
    torch.testing.assert_close(out, values, rtol=0, atol=1e-6)


@pytest.mark.parametrize("degree", [2, 3, 5, "exp"])
def test_repairing_keys_equals_the_loop_over_bits_and_lanes_do_not_meet(degree: int | str) -> None:
    memories = [
        build(
            "dense-am",
            key_dim=9,
            value_dim=9,
            degree=degree,
            mode="auto",
            capacity=8,
            steps=3,
        )
        for _ in range(2)
    ]
    keys = torch.stack([events(seed, 12, key_dim=9)[0] for seed in (1, 2)]).double()
    lanes = Lanes([memory.double() for memory in memories])
    out = lanes.read(lanes.write(lanes.init_state(), keys, keys), keys)
    for lane in (0, 1):
        expected = loop.recall(
            keys[lane],
            keys[lane],
            keys[lane],
            capacity=8,
            degree=degree,
            mode="auto",
            steps=3,
        )
        assert torch.equal(out[lane], expected)


@pytest.mark.parametrize(
    ("params", "parameter"),
    [
        ({"mode": "auto"}, "mode"),
        ({"degree": "exp", "rectified": True}, "rectified"),
        ({"mode": "hetero", "degree": 3}, "degree"),
    ],
)
def test_what_cannot_work_is_refused_by_name(params: dict[str, object], parameter: str) -> None:
    with pytest.raises(InvalidParameter) as refused:
        build("dense-am", key_dim=6, value_dim=5, **params)
    assert refused.value.parameter == parameter
    assert refused.value.help


def test_a_budget_counts_the_words_of_a_pattern() -> None:
    sizes = registry.get("memory", "dense-am").cls.from_budget
    assert sizes(4096, 64, 64) == {"capacity": 32}
    assert sizes(4096, 64, 64, mode="auto") == {"capacity": 64}
    with pytest.raises(InvalidParameter, match="budget"):
        sizes(100, 64, 64)
