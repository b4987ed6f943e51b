"""DLinear against its definition, and as lanes."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.func import functional_call, stack_module_state, vmap

from memories.backbones.dlinear import DLinear
from memories.base import InvalidParameter
from tests.reference import dlinear


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def trained(seed: int, **settings) -> DLinear:
    """A DLinear whose weights are no longer constant, in float64."""
    sizes = {"channels": 3, "lookback": 7, "horizon": 4} | settings
    module = DLinear(**sizes, generator=generator(seed)).double()
    rng = generator(seed + 100)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(0.3 * torch.randn(parameter.shape, generator=rng, dtype=torch.float64))
    return module


def maps(module: DLinear, part: str) -> tuple[Tensor, Tensor]:
    """Weight [1 or C, H, L] and bias [1 or C, H] of one of the two maps."""
    own = module.get_submodule(part)
    weight, bias = own.get_parameter("weight"), own.get_parameter("bias")
    return (weight[None], bias[None]) if weight.dim() == 2 else (weight, bias)


@pytest.mark.parametrize("individual", [False, True])
@pytest.mark.parametrize("kernel", [1, 3, 5, 9, 25])
def test_forecasts_and_gradients_equal_the_loop(kernel, individual):
    """A kernel of 9 or 25 reaches beyond a window of 7 rows on both sides."""
    module = trained(1, kernel=kernel, individual=individual)
    windows = torch.randn(2, 7, 3, generator=generator(2), dtype=torch.float64)
    windows.requires_grad_()
    pairs = [maps(module, part) for part in PARTS]
    expected = torch.stack([dlinear.forecast(w, *pairs, kernel) for w in windows])
    seen = module(windows)
    torch.testing.assert_close(seen, expected, rtol=1e-12, atol=1e-12)
    wanted = [windows, *module.parameters()]
    probe = torch.randn(seen.shape, generator=generator(3), dtype=torch.float64)
    for got, want in zip(
        torch.autograd.grad((seen * probe).sum(), wanted),
        torch.autograd.grad((expected * probe).sum(), wanted),
        strict=True,
    ):
        torch.testing.assert_close(got, want, rtol=1e-11, atol=1e-12)


def test_with_revin_it_forecasts_the_normalised_window_and_puts_its_moments_back():
    module = trained(1, kernel=5, revin=True)
    windows = 5 + 3 * torch.randn(2, 7, 3, generator=generator(2), dtype=torch.float64)
    mean = windows.mean(1, keepdim=True)
    spread = (windows.var(1, correction=0, keepdim=True) + 1e-5).sqrt()
    pairs = [maps(module, part) for part in PARTS]
    leads = [dlinear.forecast(w, *pairs, 5) for w in (windows - mean) / spread]
    torch.testing.assert_close(
        module(windows), torch.stack(leads) * spread + mean, rtol=1e-12, atol=1e-12
    )


PARTS = ("season", "trend")


@pytest.mark.parametrize(
    ("lookback", "horizon", "individual", "count"),
    [(336, 24, False, 16_176), (96, 96, False, 18_624), (336, 24, True, 7 * 16_176)],
)
def test_it_has_two_maps_of_h_times_l_plus_h_parameters(lookback, horizon, individual, count):
    module = DLinear(7, lookback, horizon, individual=individual, generator=generator())
    assert sum(p.numel() for p in module.parameters()) == count


def test_before_training_it_forecasts_the_windows_mean():
    """Season and trend weights are both 1/L, so their sum is the window's mean; biases aside."""
    module = DLinear(3, 40, 6, generator=generator())
    with torch.no_grad():
        module.season.bias.zero_()
        module.trend.bias.zero_()
    windows = torch.randn(5, 40, 3, generator=generator(1))
    expected = windows.mean(1, keepdim=True).expand(-1, 6, -1)
    torch.testing.assert_close(module(windows), expected, rtol=0, atol=1e-6)


def test_biases_start_within_one_over_root_l_and_follow_the_generator():
    module = DLinear(3, 100, 500, generator=generator(4))
    for part in PARTS:
        bias = module.get_submodule(part).bias
        assert bias.abs().max() <= 0.1
        assert bias.abs().max() > 0.09
    again, other = (DLinear(3, 100, 500, generator=generator(s)) for s in (4, 5))
    assert torch.equal(again.trend.bias, module.trend.bias)
    assert not torch.equal(other.trend.bias, module.trend.bias)


def test_a_constant_window_has_no_season():
    module = trained(5)
    module.season.weight.data.fill_(1e6)
    constant = torch.full((1, 7, 3), 2.0, dtype=torch.float64)
    expected = 2 * module.trend.weight.sum(-1) + module.trend.bias + module.season.bias
    torch.testing.assert_close(
        module(constant)[0, :, 0], expected.detach(), rtol=0, atol=1e-6, check_dtype=True
    )


def test_lanes_of_backbones_equal_each_alone():
    modules = [trained(seed) for seed in range(4)]
    params, buffers = stack_module_state(modules)
    windows = torch.randn(4, 2, 7, 3, generator=generator(6), dtype=torch.float64)

    def one(params, buffers, windows):
        return functional_call(modules[0], (params, buffers), (windows,))

    together = vmap(one)(params, buffers, windows)
    alone = torch.stack([m(w) for m, w in zip(modules, windows, strict=True)])
    torch.testing.assert_close(together, alone, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("kernel", [0, 2, -1])
def test_a_kernel_that_is_not_odd_and_positive_is_refused(kernel):
    with pytest.raises(InvalidParameter, match="kernel: must be odd and positive"):
        DLinear(1, 8, 2, kernel=kernel, generator=generator())
