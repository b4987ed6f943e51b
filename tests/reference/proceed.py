"""PROCEED layer by layer, sample by sample, with torch's Adam (Zhao & Shen 2025)."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.functional import gelu, mse_loss


@dataclass
class Adapter:
    """What generates scales: two networks that summarise rows, and per layer U, u, V and v.

    Layers that share U or V hold the same tensor.

    Attributes:
        window: Weight and bias of the two maps of k.
        pair: Those of k'.
        down: Per layer U [r, d] and u [r].
        up: Per layer V [O + I + O, r], without the last O where the layer has no bias.
        offset: Per layer v [O + I + O], likewise.
    """

    window: tuple[Tensor, Tensor, Tensor, Tensor]
    pair: tuple[Tensor, Tensor, Tensor, Tensor]
    down: dict[str, tuple[Tensor, Tensor]]
    up: dict[str, Tensor]
    offset: dict[str, Tensor]


def concept(network: tuple[Tensor, Tensor, Tensor, Tensor], rows: Tensor) -> Tensor:
    """The summary [d] of rows [R, C]: the network's output for each channel, averaged."""
    first, first_bias, second, second_bias = network
    summaries = []
    for column in rows.unbind(1):
        hidden = gelu(first @ column + first_bias)
        summaries.append(second @ hidden + second_bias)
    return torch.stack(summaries).mean(0)


def adaptation(adapter: Adapter, name: str, drift: Tensor) -> Tensor:
    """What the drift [d] adds to a layer's offset."""
    if drift.norm() > 1:
        drift = drift / drift.norm()
    matrix, own = adapter.down[name]
    return adapter.up[name] @ torch.sigmoid(matrix @ drift + own)


def forecast(backbone: nn.Module, adapter: Adapter, window: Tensor, known: Tensor) -> Tensor:
    """Forecast [H, C] of a window [L, C] whose drift is measured from the concept `known`."""
    drift = concept(adapter.window, window) - known
    named = {}
    for name, offset in adapter.offset.items():
        layer = backbone.get_submodule(name)
        outputs, inputs = layer.weight.shape[:2]
        own = offset + adaptation(adapter, name, drift)
        a, c, g = own[:outputs], own[outputs : outputs + inputs], own[outputs + inputs :]
        rows = [
            torch.stack([(1 + a[o]) * layer.weight[o, i] * (1 + c[i]) for i in range(inputs)])
            for o in range(outputs)
        ]
        named[f"{name}.weight"] = torch.stack(rows)
        if layer.bias is not None:
            named[f"{name}.bias"] = layer.bias + g
    return functional_call(backbone, named, (window[None],))[0]


def online(
    backbone: nn.Module, adapter: Adapter, rows: Tensor, size: tuple[int, int], learning_rate: float
) -> Iterator[Tensor]:
    """Forecasts [H, C] of the origins from L+H on; weights but not biases, and offsets, learn."""
    lookback, horizon = size
    backbone = copy.deepcopy(backbone)
    offsets = {name: v.detach().clone().requires_grad_() for name, v in adapter.offset.items()}
    adapter = replace(adapter, offset=offsets)
    still = {f"{name}.bias" for name in offsets}
    learned = [p for name, p in backbone.named_parameters() if name not in still]
    optimiser = torch.optim.Adam([*learned, *offsets.values()], lr=learning_rate)
    previous = torch.zeros(lookback + horizon, rows.shape[1], dtype=rows.dtype)
    for t in range(lookback + horizon, len(rows)):
        pair = rows[t - horizon - lookback + 1 : t + 1]
        optimiser.zero_grad()
        made = forecast(backbone, adapter, pair[:lookback], concept(adapter.pair, previous))
        mse_loss(made, pair[lookback:]).backward()
        optimiser.step()
        previous = pair
        with torch.no_grad():
            window = rows[t - lookback + 1 : t + 1]
            made = forecast(backbone, adapter, window, concept(adapter.pair, previous))
        yield made


def train(
    backbone: nn.Module,
    read: Callable[[], Adapter],
    batches: list[list[Tensor]],
    lookback: int,
    learned: list[Tensor],
    learning_rate: float,
) -> None:
    """Train tensors in place on batches of pairs [L+H, C], each measured from the one before.

    Args:
        backbone: Module, [B, L, C] to [B, H, C].
        read: Gives the adapter with the present values of what is learned.
        batches: Pairs of each batch.
        lookback: L.
        learned: What Adam changes.
        learning_rate: Its step size.
    """
    optimiser = torch.optim.Adam(learned, lr=learning_rate)
    previous = [torch.zeros_like(batches[0][0])]
    for batch in batches:
        adapter = read()
        known = torch.stack([concept(adapter.pair, pair) for pair in previous]).mean(0)
        losses = [
            mse_loss(forecast(backbone, adapter, pair[:lookback], known), pair[lookback:])
            for pair in batch
        ]
        optimiser.zero_grad()
        torch.stack(losses).mean().backward()
        optimiser.step()
        previous = batch


def stream_error(
    backbone: nn.Module, adapter: Adapter, rows: Tensor, size: tuple[int, int], origins: range
) -> float:
    """Mean squared error over origins, each with the concept of the pair complete at it."""
    lookback, horizon = size
    total = 0.0
    for t in origins:
        recent = rows[t - horizon - lookback + 1 : t + 1]
        window = rows[t - lookback + 1 : t + 1]
        made = forecast(backbone, adapter, window, concept(adapter.pair, recent))
        total += float(mse_loss(made, rows[t + 1 : t + horizon + 1]))
    return total / len(origins)
