"""An encoder with spectral memory over a stream: a list of rows, and everything made anew."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from tests.reference import spectral_kv


def directions(rows: Tensor, components: int) -> list[tuple[Tensor, Tensor]]:
    """The largest eigenvalues of the rows' covariance and its eigenvectors, largest first."""
    centred = rows - rows.mean(0)
    values, vectors = torch.linalg.eigh(centred.mT @ centred / len(rows))
    order = torch.argsort(values, descending=True)[:components]
    return [(values[i], vectors[:, i]) for i in order]


def anchored(rows: Tensor, components: int, head: Any) -> Tensor:
    """Tokens [M, d]: anchor by anchor, direction by direction, then normalised."""
    found = directions(rows, components)
    strongest = found[0][0]
    tokens = []
    for anchor, bias in zip(head.anchors, head.bias, strict=True):
        mixed = sum(value / strongest * (vector @ anchor) * vector for value, vector in found)
        turned = head.output @ mixed
        spread = (turned - turned.mean()).square().mean()
        normal = (turned - turned.mean()) / torch.sqrt(spread + head.norm.eps)
        tokens.append(head.norm.weight * normal + head.norm.bias + bias)
    return torch.stack(tokens)


def walk(
    encoder: Any, head: Any, windows: Sequence[Tensor], components: int, capacity: int
) -> list[tuple[Tensor, Tensor]]:
    """Forecast [H, C] and row [d] of each window [L, C] in turn.

    A window reads the newest `capacity` rows of windows before it, and leaves the mean of the
    encoder's hidden states, over positions and channels.
    """
    rows: list[Tensor] = []
    seen = []
    for window in windows:
        tokens = torch.zeros_like(head.anchors)
        if len(rows) >= max(4, components):
            tokens = anchored(torch.stack(rows[-capacity:]), components, head)
        forecasts, hidden = encoder.with_tokens(window[None], tokens)
        row = hidden[0].mean((0, 1))
        rows.append(row)
        seen.append((forecasts[0], row))
    return seen


def analogue(
    rows: Sequence[Tensor],
    windows: Sequence[Tensor],
    targets: Sequence[Tensor],
    at: int,
    horizon: int,
    *,
    projection: Tensor,
    components: int,
    decay: float,
) -> Tensor | None:
    """The target [H, C] recalled at a window by place; None while fewer than 2 K are known.

    Those known are the targets of all windows at least `horizon` places before it.
    """

    def moments(window: Tensor) -> tuple[Tensor, Tensor]:
        return window.mean(0), torch.sqrt(window.var(0, correction=0) + 1e-5)

    known = range(at - horizon + 1)
    if len(known) < 2 * components:
        return None
    keys, values = [], []
    for place in known:
        centre, scale = moments(windows[place])
        keys.append(rows[place] @ projection)
        values.append(((targets[place] - centre) / scale).reshape(-1))
    read = spectral_kv.recall(
        torch.stack(keys),
        torch.stack(values),
        (rows[at] @ projection)[None],
        components=components,
        ridge="auto",
        decay=decay,
    )
    centre, scale = moments(windows[at])
    return centre + scale * read.view(targets[0].shape)
