"""Holographic reduced representations: noise of a trace, binding, and the superposition law."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from memories.base import InvalidParameter
from tests.memories import theory
from tests.memories.case import build, events, generator, unit_rows
from tests.reference import hrr as loop


def recall(keys: Tensor, values: Tensor, queries: Tensor, seed: int = 0, **params: Any) -> Tensor:
    memory = build("hrr", seed, key_dim=keys.shape[1], value_dim=values.shape[1], **params)
    memory = memory.to(keys.dtype)
    return memory.read(memory.write(memory.init_state(), keys, values), queries)


def gaussian_keys(seed: int, n: int, dim: int) -> Tensor:
    return torch.randn(n, dim, generator=generator(seed)) / dim**0.5


@pytest.mark.parametrize("n", [8, 32])
@pytest.mark.parametrize("unitary", [True, False])
def test_convolved_pairs_leak_the_textbook_noise(n: int, unitary: bool) -> None:
    """Error energy N - 1 with unitary keys, N with Gaussian ones, whose own spectrum is no ones.

    Cosines 1/sqrt(N) and 1/sqrt(N + 1): 0.354 and 0.333, 0.177 and 0.174; n = 1,024, draws of
    640 items in all, within 0.005 (standard error 0.0012); energies within 3 %.
    """
    draws, noise = 640 // n, n - 1 if unitary else n
    cosine = energy = 0.0
    for draw in range(draws):
        keys, values = gaussian_keys(draw, n, 1024), unit_rows(500 + draw, n, 1024)
        recalled = recall(keys, values, keys, encoding="fft", unitary=unitary, key_norm="none")
        cosine += float(torch.cosine_similarity(recalled, values, dim=-1).mean()) / draws
        energy += float((recalled - values).square().sum(-1).mean()) / draws
    assert cosine == pytest.approx((1 + noise) ** -0.5, abs=0.005)
    assert energy == pytest.approx(noise, rel=0.03)


@pytest.mark.parametrize("dim", [7, 8])
def test_fft_binding_is_circular_convolution_and_reading_circular_correlation(dim: int) -> None:
    """By their definitions, for odd and even width, in float64."""
    keys, values = events(1, 5, key_dim=dim, value_dim=dim, dtype=torch.float64)
    queries = events(2, 3, key_dim=dim, dtype=torch.float64)[0]
    memory = build(
        "hrr", key_dim=dim, value_dim=dim, encoding="fft", unitary=False, key_norm="none"
    ).double()
    state = memory.write(memory.init_state(), keys, values)
    trace = sum(loop.convolve(k, v) for k, v in zip(keys, values, strict=True))
    torch.testing.assert_close(state["trace"], trace, rtol=0, atol=1e-12)
    expected = torch.stack([loop.correlate(q, trace) for q in queries])
    torch.testing.assert_close(memory.read(state, queries), expected, rtol=0, atol=1e-12)


def test_a_single_pair_with_a_unitary_key_is_recalled_exactly() -> None:
    keys, values = events(1, 1, key_dim=16, value_dim=16)
    recalled = recall(keys, values, keys, encoding="fft")
    torch.testing.assert_close(recalled, values, rtol=0, atol=1e-5)


def test_a_zero_key_is_bound_to_nothing() -> None:
    keys, values = torch.zeros(2, 16), events(1, 2, value_dim=16)[1]
    memory = build("hrr", key_dim=16, value_dim=16, encoding="fft")
    state = memory.write(memory.init_state(), keys, values)
    assert torch.equal(state["trace"], torch.zeros(16))
    gradient = torch.func.grad(lambda k: memory.write(state, k, values)["trace"].sum())(keys)
    assert gradient.isfinite().all()


def test_phasors_leak_the_values_width_over_the_traces_length() -> None:
    """N V / n = 3.13 at N = 200, V = 64, n = 4,096; keys are a little alike: within 15 %."""
    energy = 0.0
    for draw in range(5):
        keys, values = unit_rows(1000 + draw, 200, 64), unit_rows(2000 + draw, 200, 64)
        recalled = recall(keys, values, keys, draw)
        energy += float((recalled - values).square().sum(-1).mean()) / 5
    assert energy == pytest.approx(200 * 64 / 4096, rel=0.15)


def test_phasors_of_few_dimensions_stay_apart_in_a_long_trace() -> None:
    """Keys of 16 dimensions, 100 pairs: four times the floats, a quarter of the noise.

    At length scale 0.25 the mean similarity of two phasors, exp(-16), is nothing.
    """
    energies = dict.fromkeys((2048, 8192), 0.0)
    for draw in range(4):
        keys, values = unit_rows(1000 + draw, 100, 16), unit_rows(2000 + draw, 100, 16)
        for n in energies:
            recalled = recall(keys, values, keys, draw, width=n, length_scale=0.25)
            energies[n] += float((recalled - values).square().sum(-1).mean()) / 4
    for n, energy in energies.items():
        assert energy == pytest.approx(100 * 16 / n, rel=0.1)


def test_hrr_is_that_of_torchhd() -> None:
    """Its binding, bundling and unbinding, on unnormalised keys in float64."""
    torchhd = pytest.importorskip("torchhd", reason="compares with torch-hd, not installed")
    keys, values = (x.double() for x in (gaussian_keys(1, 6, 32), unit_rows(2, 6, 32)))
    theirs = [torchhd.ensure_vsa_tensor(x, "HRR") for x in (keys, values)]
    bound = torchhd.multiset(torchhd.bind(*theirs))
    memory = build(
        "hrr", key_dim=32, value_dim=32, encoding="fft", unitary=False, key_norm="none"
    ).double()
    state = memory.write(memory.init_state(), keys, values)
    torch.testing.assert_close(state["trace"], torch.Tensor(bound), rtol=0, atol=1e-12)
    unbound = torch.stack([torchhd.bind(bound, key.inverse()) for key in theirs[0]])
    torch.testing.assert_close(memory.read(state, keys), torch.Tensor(unbound), rtol=0, atol=1e-12)


def test_blocks_of_events_and_queries_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    from memories.superposed import hrr

    keys, values = events(1, 30, dtype=torch.float64)
    whole = recall(keys, values, keys, width=64)
    monkeypatch.setattr(hrr, "BLOCK_FLOATS", 64 * 7)
    torch.testing.assert_close(recall(keys, values, keys, width=64), whole, rtol=0, atol=1e-12)
    monkeypatch.setattr(hrr, "BLOCK_FLOATS", 1)
    torch.testing.assert_close(recall(keys, values, keys, width=64), whole, rtol=0, atol=1e-12)


@pytest.mark.parametrize(("n", "accuracy"), [(256, 0.762), (512, 0.347)])
def test_a_trace_as_wide_as_its_values_obeys_the_superposition_law(n: int, accuracy: float) -> None:
    """SNR^2 = B/N: E[Phi(z + sqrt(B/N))^(M-1)], B = 4,096 floats, M = 1,024 codes.

    Two draws at N = 512, four at 256: 1,024 items, standard error 0.015, tested at 0.04.
    """
    law = theory.superposition_accuracy(n, 4096, 1024)
    assert law == pytest.approx(accuracy, abs=1e-3)
    hits = 0
    for draw in range(1024 // n):
        codes = unit_rows(100 + draw, 1024, 4096)
        keys = unit_rows(200 + draw, n, 4096)
        recalled = recall(keys, codes[:n], keys, encoding="fft")
        hits += int(((recalled @ codes.mT).argmax(-1) == torch.arange(n)).sum())
    assert hits / 1024 == pytest.approx(law, abs=0.04)


@pytest.mark.parametrize(
    ("params", "parameter", "message"),
    [
        ({"encoding": "fft"}, "encoding", "as wide as values"),
        ({"encoding": "fft", "value_dim": 6, "width": 8}, "width", "is 6"),
        ({"width": 11}, "width", "must be even"),
        ({"width": 8}, "width", "must be >= 10"),
        ({"unitary": False}, "unitary", "must be true"),
    ],
)
def test_what_cannot_be_had_is_refused(
    params: dict[str, Any], parameter: str, message: str
) -> None:
    with pytest.raises(InvalidParameter, match=message) as caught:
        build("hrr", **params)
    assert caught.value.parameter == parameter


def test_a_budget_is_the_length_of_the_trace() -> None:
    cls = type(build("hrr"))
    assert cls.from_budget(4097, 64, 64) == {"width": 4096}
    assert cls.from_budget(4097, 64, 64, encoding="fft") == {}
    for encoding, least in (("phase", 128), ("fft", 64)):
        with pytest.raises(InvalidParameter, match=f"must be >= {least}"):
            cls.from_budget(least - 1, 64, 64, encoding=encoding)
