"""The temporal convolutional network with torch's own convolutions over the whole window."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor
from torch.nn import functional as F

Weights = Mapping[str, Tensor]


def convolution(weights: Weights, name: str, x: Tensor, kernel: int, dilation: int) -> Tensor:
    """`same` convolution of x [B, I, L]; taps lie side by side in our weight [O, K I]."""
    flat = weights[f"{name}.taps.weight"]
    taps = flat.view(len(flat), kernel, -1).transpose(1, 2)
    padding = (kernel - 1) * dilation // 2
    return F.conv1d(x, taps, weights[f"{name}.taps.bias"], padding=padding, dilation=dilation)


def forecast(weights: Weights, windows: Tensor, *, depth: int, kernel: int, revin: bool) -> Tensor:
    """Forecasts [B, H, C] of windows [B, L, C]; every row of every block is computed."""
    mean, spread = 0 * windows[:, :1], 1 + 0 * windows[:, :1]
    gain, shift = spread[:1], mean[:1]
    if revin:
        mean = windows.mean(1, keepdim=True)
        spread = (((windows - mean) ** 2).mean(1, keepdim=True) + 1e-5).sqrt()
        gain, shift = weights["revin.weight"].T, weights["revin.bias"].T
    rows = (windows - mean) / spread * gain + shift
    hidden = F.linear(rows, weights["embedding.weight"], weights["embedding.bias"])
    x = hidden.transpose(1, 2)
    for i in range(depth + 1):
        name, residual = f"blocks.{i}", x
        if i == depth:
            shortcut = weights[f"{name}.shortcut.weight"][..., None]
            residual = F.conv1d(x, shortcut, weights[f"{name}.shortcut.bias"])
        x = convolution(weights, f"{name}.first", F.gelu(x), kernel, 2**i)
        x = convolution(weights, f"{name}.second", F.gelu(x), kernel, 2**i) + residual
    leads = F.linear(x[..., -1], weights["projection.weight"], weights["projection.bias"])
    leads = leads.view(len(windows), -1, windows.shape[-1])
    return (leads - shift) / (gain + 1e-10 * revin) * spread + mean
