"""FSNet layer by layer and input by input, with torch's convolutions and Adam (Pham et al. 2023).

Every row of every block is computed, by dilated convolutions over the whole window.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn import functional as F


@dataclass
class Layer:
    """One convolution, its controller and what it carries along.

    Attributes:
        weight: [O, I, K].
        bias: [O].
        controller: U [hidden, K O], u, V [K + 2 O/I, hidden] and v.
        slow: Average of gradients [O, I, K].
        fast: Likewise.
        query: Average of coefficients, input by input [I (K + 2 O/I)].
        memory: Columns of coefficients.
    """

    weight: Tensor
    bias: Tensor
    controller: tuple[Tensor, Tensor, Tensor, Tensor]
    slow: Tensor
    fast: Tensor
    query: Tensor
    memory: Tensor
    given: list[Tensor] = field(default_factory=list)

    def learned(self) -> list[Tensor]:
        return [self.weight, self.bias, *self.controller]


@dataclass
class Network:
    """The linear maps around the layers; a layer pair per block."""

    embedding: tuple[Tensor, Tensor]
    shortcut: tuple[Tensor, Tensor]
    projection: tuple[Tensor, Tensor]
    affine: tuple[Tensor, Tensor]
    layers: list[Layer]

    def learned(self) -> list[Tensor]:
        own = [*self.embedding, *self.shortcut, *self.projection, *self.affine]
        return own + [tensor for layer in self.layers for tensor in layer.learned()]


def coefficients(layer: Layer, *, mixed: bool) -> list[Tensor]:
    """[w_i; beta_i; phi_i] of each input i."""
    down, down_bias, up, up_bias = layer.controller
    outputs, inputs, taps = layer.weight.shape
    found = []
    for i in range(inputs):
        seen = layer.slow.reshape(inputs, outputs * taps)[i] if mixed else layer.slow[:, i].T
        found.append(up @ F.silu(down @ seen.reshape(-1) + down_bias) + up_bias)
    return found


def convolve(layer: Layer, x: Tensor, given: list[Tensor], dilation: int) -> Tensor:
    """phi conv(x; W w, b beta) of x [1, I, L]."""
    outputs, inputs, taps = layer.weight.shape
    ratio = outputs // inputs
    scaled = torch.stack([layer.weight[:, i] * given[i][:taps] for i in range(inputs)], dim=1)
    beta = torch.cat([own[taps : taps + ratio] for own in given])
    phi = torch.cat([own[taps + ratio :] for own in given])
    padding = (taps - 1) // 2 * dilation
    mapped = F.conv1d(x, scaled, layer.bias * beta, padding=padding, dilation=dilation)
    return phi[:, None] * mapped


def forecast(network: Network, window: Tensor, given: list[list[Tensor]]) -> Tensor:
    """Forecast [H, C] of a window [L, C]."""
    mean, spread = window.mean(0), (window.var(0, correction=0) + 1e-5).sqrt()
    gain, shift = network.affine
    rows = (window - mean) / spread * gain[:, 0] + shift[:, 0]
    x = F.linear(rows, *network.embedding).T[None]
    for block in range(len(network.layers) // 2):
        first, second = network.layers[2 * block : 2 * block + 2]
        residual = x
        if 2 * block + 2 == len(network.layers):
            weight, bias = network.shortcut
            residual = F.conv1d(x, weight[..., None], bias)
        x = convolve(first, F.gelu(x), given[2 * block], 2**block)
        x = convolve(second, F.gelu(x), given[2 * block + 1], 2**block) + residual
    leads = F.linear(x[0, :, -1], *network.projection).view(-1, window.shape[1])
    return (leads - shift[:, 0]) / (gain[:, 0] + 1e-10) * spread + mean


def recall(layer: Layer, tau: float, *, by_number: bool, write_back: bool) -> None:
    """Blend the layer's coefficients with what it recalls, and write its memory."""
    attention = torch.softmax(layer.query @ layer.memory / 0.5, dim=0)
    order = sorted(range(len(attention)), key=lambda j: -float(attention[j]))[:2]
    old = sum((j if by_number else attention[j]) * layer.memory[:, j] for j in order)
    new = old if write_back else layer.query
    columns = list(layer.memory.unbind(1))
    for j in order:
        columns[j] = tau * columns[j] + (1 - tau) * attention[j] * new
    memory = torch.stack(columns, dim=1)
    layer.memory = memory / max(1.0, float(memory.norm()))
    parts = old.split(len(layer.given[0]))
    layer.given = [
        tau * now + (1 - tau) * past for now, past in zip(layer.given, parts, strict=True)
    ]


def adapt(layer: Layer, gradient: Tensor, tau: float, *, mixed: bool, **flags: bool) -> bool:
    """Take a gradient into the averages; whether the layer recalled."""
    unit = gradient / gradient.norm(dim=1, keepdim=True).clamp(min=1e-12)
    layer.fast = 0.3 * layer.fast + 0.7 * unit
    layer.slow = 0.9 * layer.slow + 0.1 * unit
    cosine = F.cosine_similarity(layer.fast.flatten(), layer.slow.flatten(), dim=0)
    layer.given = coefficients(layer, mixed=mixed)
    layer.query = 0.3 * layer.query + 0.7 * torch.cat(layer.given)
    if cosine >= -tau:
        return False
    recall(layer, tau, **flags)
    return True


def online(
    network: Network,
    rows: Tensor,
    size: tuple[int, int],
    *,
    learning_rate: float,
    tau: float,
    mixed: bool = False,
    by_number: bool = False,
    write_back: bool = False,
) -> Iterator[tuple[Tensor, list[bool]]]:
    """Forecast [H, C] of each origin from L+H on, and which layers had recalled."""
    lookback, horizon = size
    learned = [tensor.requires_grad_() for tensor in network.learned()]
    optimiser = torch.optim.Adam(learned, lr=learning_rate)
    for t in range(lookback + horizon, len(rows)):
        pair = rows[t - horizon - lookback + 1 : t + 1]
        optimiser.zero_grad()
        given = [coefficients(layer, mixed=mixed) for layer in network.layers]
        made = forecast(network, pair[:lookback], given)
        F.mse_loss(made, pair[lookback:]).backward()
        gradients = [layer.weight.grad.clone() for layer in network.layers]
        optimiser.step()
        with torch.no_grad():
            recalled = [
                adapt(layer, gradient, tau, mixed=mixed, by_number=by_number, write_back=write_back)
                for layer, gradient in zip(network.layers, gradients, strict=True)
            ]
            given = [layer.given for layer in network.layers]
            made = forecast(network, rows[t - lookback + 1 : t + 1], given)
        yield made, recalled
