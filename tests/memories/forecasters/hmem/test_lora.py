"""Low-rank updates of a backbone: which layers, where in the vector, and what they compute."""

from __future__ import annotations

from types import MappingProxyType

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, stack_module_state, vmap
from torch.nn import functional as F

from memories.backbones.dlinear import DLinear
from memories.base import InvalidParameter
from memories.forecasters.hmem.lora import Injection
from tests.reference.lora import adapted

LOOKBACK, HORIZON, CHANNELS = 8, 3, 2


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=rng(seed))


def random_weights(module: nn.Module, seed: int) -> nn.Module:
    """The module with all parameters drawn anew, so that tests draw nothing globally."""
    g = rng(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.normal_(generator=g)
    return module


class Mixed(nn.Module):
    """One layer of every kind, eligible or not, on windows [B, L, C]."""

    def __init__(self) -> None:
        super().__init__()
        self.wide = nn.Conv1d(CHANNELS, 4, 3, padding=1)
        self.strided = nn.Conv1d(CHANNELS, 4, 1, stride=2)
        self.grouped = nn.Conv1d(4, 4, 1, groups=2)
        self.padded = nn.Conv1d(CHANNELS, 4, 1, padding=1)
        self.point = nn.Conv1d(CHANNELS, 4, 1)
        self.days = nn.Embedding(7, 4)
        self.limited = nn.Embedding(7, 4, max_norm=1.0)
        self.norm = nn.LayerNorm(4)
        self.block = nn.ModuleDict({"up": nn.Linear(4, 5), "up2": nn.Linear(4, 5)})
        self.down = nn.Linear(5, CHANNELS, bias=False)
        random_weights(self, 3)

    def forward(self, windows: Tensor) -> Tensor:
        rows = self.point(windows.transpose(1, 2)) + self.wide(windows.transpose(1, 2))
        day = torch.arange(windows.shape[1]) % 7
        hidden = self.norm(rows.transpose(1, 2) + self.days(day))
        hidden = torch.tanh(self.block["up"](hidden)) * self.block["up2"](hidden)
        forecast: Tensor = self.down(hidden)[:, -HORIZON:]
        return forecast


class Tied(nn.Module):
    """A table whose transpose is also the output layer."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(6, 4)
        self.out = nn.Linear(4, 6)
        self.out.weight = self.table.weight
        random_weights(self, 4)

    def forward(self, tokens: Tensor) -> Tensor:
        out: Tensor = self.out(self.table(tokens))
        return out


def parameters(module: nn.Module) -> dict[str, Tensor]:
    return {name: p.detach() for name, p in module.named_parameters()}


def dlinear(seed: int = 1) -> DLinear:
    return DLinear(CHANNELS, LOOKBACK, HORIZON, kernel=3, generator=rng(seed))


def test_only_layers_that_map_one_vector_to_another_are_eligible_in_their_order():
    injection = Injection(Mixed(), rank=2)
    assert [(layer.name, layer.kind) for layer in injection.layers] == [
        ("point", "conv"),
        ("days", "embedding"),
        ("block.up", "linear"),
        ("block.up2", "linear"),
        ("down", "linear"),
    ]


def test_the_vector_is_as_long_as_all_factors():
    """rank (inputs + outputs) per layer: 2 ((2 + 4) + (7 + 4) + 2 (4 + 5) + (5 + 2)) = 84."""
    assert Injection(Mixed(), rank=2).size == 84
    assert Injection(nn.Sequential(*[nn.Linear(512, 512) for _ in range(14)]), rank=8).size == (
        114_688
    )


def test_groups_hold_all_a_and_then_all_b_and_cover_the_vector_once():
    injection = Injection(Mixed(), rank=2)
    owner = torch.zeros(injection.size, dtype=torch.int64)
    for layer in injection.layers:
        for part in (layer.a, layer.b):
            owner[part.start : part.stop] += 1
        group = injection.groups[layer.group]
        assert set(layer.a) <= set(group.a) and set(layer.b) <= set(group.b)
    assert bool((owner == 1).all())
    assert [group.layers for group in injection.groups] == [(0,), (1,), (2, 3), (4,)]
    assert injection.b_rows == tuple(group.b for group in injection.groups)
    assert all(group.a.stop == group.b.start for group in injection.groups)


def test_factors_are_cut_from_their_ranges_row_by_row():
    injection = Injection(Mixed(), rank=2)
    flat = torch.arange(float(injection.size))
    layer = injection.layers[3]
    a, b = injection.factors(flat, "block.up2")
    assert a.shape == (2, 4) and b.shape == (5, 2)
    assert a.reshape(-1).tolist() == [float(i) for i in layer.a]
    assert b.reshape(-1).tolist() == [float(i) for i in layer.b]
    with pytest.raises(KeyError, match="wide"):
        injection.factors(flat, "wide")


def test_an_adapted_weight_is_w_plus_scaled_b_a():
    """rank 1, alpha 3: W + 3 B A with A = (1, 2), B = (1, 0, -1)."""
    layer = nn.Linear(2, 3)
    injection = Injection(layer, rank=1, alpha=3.0)
    flat = torch.tensor([1.0, 2, 1, 0, -1])
    weights = injection.weights({"weight": torch.zeros(3, 2)}, flat)
    assert weights["weight"].tolist() == [[3, 6], [0, 0], [-3, -6]]


def test_the_output_is_that_of_a_linear_layer_with_the_merged_weight():
    """To 1e-5: two roundings of products of order one."""
    layer = random_weights(nn.Linear(6, 4), 1)
    injection = Injection(layer, rank=3, alpha=6.0)
    flat, x = draw(injection.size, seed=2), draw(5, 6, seed=3)
    a, b = injection.factors(flat, "")
    merged = layer.get_parameter("weight") + 2.0 * b @ a
    expected = F.linear(x, merged, layer.get_parameter("bias"))
    torch.testing.assert_close(injection.forecast(layer, flat, x), expected, rtol=1e-5, atol=1e-5)


def test_every_kind_of_layer_equals_its_extra_path():
    """Against layers that add s B (A x), or s B A[:, i], beside the frozen weight (to 1e-5)."""
    backbone, windows = Mixed(), draw(4, LOOKBACK, CHANNELS, seed=5)
    injection = Injection(backbone, rank=2, alpha=1.0)
    flat = draw(injection.size, seed=6)
    factors = {layer.name: injection.factors(flat, layer.name) for layer in injection.layers}
    expected = adapted(backbone, factors, 0.5)(windows)
    got = injection.forecast(backbone, flat, windows)
    torch.testing.assert_close(got, expected, rtol=1e-5, atol=1e-5)
    assert (got - backbone(windows)).abs().max() > 0.1


def test_an_embedding_is_a_lookup_in_the_table_plus_the_transposed_update():
    table = random_weights(nn.Embedding(7, 4), 1)
    injection = Injection(table, rank=2, alpha=2.0)
    flat, index = draw(injection.size, seed=2), torch.tensor([0, 6, 3, 3])
    a, b = injection.factors(flat, "")
    merged = table.get_parameter("weight") + (b @ a).T
    got = injection.forecast(table, flat, index)
    torch.testing.assert_close(got, merged[index], rtol=1e-6, atol=1e-6)


def test_a_per_sample_update_is_a_loop_over_samples():
    """A and B of every sample, through vmap of the shared form; one layer and a whole backbone."""
    backbone, windows = Mixed(), draw(5, LOOKBACK, CHANNELS, seed=7)
    injection = Injection(backbone, rank=2)
    flats = draw(5, injection.size, seed=8)
    frozen = parameters(backbone)

    def one(flat: Tensor, window: Tensor) -> Tensor:
        weights = injection.weights(frozen, flat)
        out: Tensor = functional_call(backbone, weights, (window[None],))
        return out[0]

    loop = [
        injection.forecast(backbone, f, w[None])[0] for f, w in zip(flats, windows, strict=True)
    ]
    torch.testing.assert_close(
        vmap(one)(flats, windows), torch.stack(loop), rtol=1e-4, atol=1e-4
    )  # norms of entries of order 10 in float32


@pytest.mark.parametrize("make", [dlinear, Mixed])
def test_zero_b_is_the_plain_backbone_bit_for_bit(make):
    backbone, windows = make(), draw(2, LOOKBACK, CHANNELS, seed=9)
    injection = Injection(backbone, rank=2)
    flat = draw(injection.size, seed=10)
    for rows in injection.b_rows:
        flat[rows.start : rows.stop] = 0
    assert torch.equal(injection.forecast(backbone, flat, windows), backbone(windows))
    assert torch.equal(injection.forecast(backbone, None, windows), backbone(windows))


def test_adapting_leaves_the_backbone_as_it_was():
    backbone = Mixed()
    before = {name: p.clone() for name, p in parameters(backbone).items()}
    injection = Injection(backbone, rank=2)
    injection.forecast(backbone, draw(injection.size), draw(1, LOOKBACK, CHANNELS))
    assert all(torch.equal(p, before[name]) for name, p in parameters(backbone).items())


def test_targets_take_the_layers_whose_path_contains_one_of_them():
    def names(*targets: str) -> list[str]:
        return [layer.name for layer in Injection(Mixed(), targets=targets).layers]

    assert names("up") == ["block.up", "block.up2"]
    assert names("block.up2", "point") == ["point", "block.up2"]
    assert names("d") == ["days", "down"]


def test_without_a_matching_target_the_error_names_the_layers():
    with pytest.raises(InvalidParameter, match=r"'head'.*in its path") as caught:
        Injection(dlinear(), targets=("head",))
    assert caught.value.parameter == "targets"
    assert "'season', 'trend'" in caught.value.help


def test_without_an_eligible_layer_the_error_names_the_modules():
    backbone = DLinear(CHANNELS, LOOKBACK, HORIZON, individual=True, generator=rng())
    with pytest.raises(InvalidParameter, match=r"season \(ChannelLinear\)") as caught:
        Injection(backbone)
    assert caught.value.parameter == "targets"


def test_a_rank_below_one_is_refused():
    with pytest.raises(InvalidParameter, match="got 0"):
        Injection(dlinear(), rank=0)


def test_a_shared_weight_is_adapted_once_and_stays_shared():
    backbone, tokens = Tied(), torch.tensor([0, 5, 2])
    injection = Injection(backbone, rank=1, alpha=1.0)
    assert [layer.weights for layer in injection.layers] == [("table.weight", "out.weight")]
    flat = draw(injection.size, seed=11)
    a, b = injection.factors(flat, "table")
    merged = backbone.table.weight + (b @ a).T
    expected = F.linear(merged[tokens], merged, backbone.out.bias)
    got = injection.forecast(backbone, flat, tokens)
    torch.testing.assert_close(got, expected, rtol=1e-5, atol=1e-5)


def test_injections_of_one_layout_are_equal_and_hash_alike():
    one, two = Injection(dlinear(1), rank=2), Injection(dlinear(2), rank=2)
    assert one == two and hash(one) == hash(two)
    assert one != Injection(dlinear(), rank=3)
    assert one != Injection(dlinear(), rank=2, alpha=1.0)
    assert one != Injection(dlinear(), rank=2, targets=("trend",))


@pytest.mark.parametrize("make", [dlinear, lambda seed=0: random_weights(Mixed(), seed)])
def test_stacked_backbones_give_forecasts_and_gradients_of_each_alone(make):
    """Backbones as lanes, as the harness stacks them: forward and gradient in the flat vector."""
    backbones = [make(seed) for seed in range(3)]
    injection = Injection(backbones[0], rank=2)
    flats, windows = draw(3, injection.size, seed=12) / 4, draw(3, 1, LOOKBACK, CHANNELS, seed=13)
    stacked, _ = stack_module_state(backbones)

    class Forecast(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.backbone = backbones[0]

        def forward(self, flat: Tensor, window: Tensor) -> Tensor:
            return injection.forecast(self.backbone, flat, window)

    module = Forecast()

    def loss(flat: Tensor, weights: MappingProxyType[str, Tensor], window: Tensor) -> Tensor:
        named = {f"backbone.{name}": weight for name, weight in weights.items()}
        out: Tensor = functional_call(module, named, (flat, window))
        return out.square().mean()

    detached = {name: weight.detach() for name, weight in stacked.items()}
    among = vmap(grad(loss))(flats, detached, windows)
    for lane, backbone in enumerate(backbones):
        flat = flats[lane].clone().requires_grad_()
        alone = injection.forecast(backbone, flat, windows[lane]).square().mean()
        (expected,) = torch.autograd.grad(alone, flat)
        assert expected.abs().max() > 0
        torch.testing.assert_close(among[lane], expected, rtol=1e-4, atol=1e-4)
