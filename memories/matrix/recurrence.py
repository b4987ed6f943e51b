"""The recurrence of matrix memories, a whole chunk of events at a time.

Every memory here is W_t = decay W_(t-1) + k_t^T u_t for updates u_t, which a write rule makes from
keys and values; a read is q W. The linear rule takes u_t = strength v_t. The delta rule takes
u_t = strength (v_t - k_t W_(t-1)), which depends on the updates before it: a chunk's worth of them
is the solution of one unit lower triangular system (the WY form; Yang et al. 2024).

Shapes: weights [m, V], keys and queries [n, m], values and updates [n, V]. `decay` is a scalar
tensor, or None where nothing decays.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeAlias

import torch
from torch import Tensor

CHUNK = 64
"""Events per triangular system: the cost of one grows with the square, the overhead shrinks."""

WriteRule: TypeAlias = Callable[[Tensor, Tensor, Tensor], Tensor]
"""Makes the updates [n, V] of a chunk from weights before it, keys and values."""


def delta_updates(
    weights: Tensor, keys: Tensor, values: Tensor, strength: Tensor, decay: Tensor | None = None
) -> Tensor:
    """Updates [n, V] of the delta rule: u_t = strength (v_t - k_t W_(t-1)).

    Equal to the loop over events up to rounding, in values and in gradients.
    """
    overlap = keys @ keys.mT
    carried = keys @ weights
    if decay is not None:
        n = keys.shape[0]
        overlap = overlap * decay ** _lags(n, 1, keys.device)
        carried = carried * (decay ** torch.arange(n, device=keys.device))[:, None]
    # only the part below the diagonal is read: event t is corrected for those before it
    updates: Tensor = torch.linalg.solve_triangular(
        strength * overlap, strength * (values - carried), upper=False, unitriangular=True
    )
    return updates


def accumulate(
    weights: Tensor, keys: Tensor, updates: Tensor, decay: Tensor | None = None
) -> Tensor:
    """Weights [m, V] after n events."""
    if decay is None:
        return weights + keys.mT @ updates
    n = keys.shape[0]
    kept = decay ** torch.arange(n - 1, -1, -1, device=keys.device)
    return decay**n * weights + keys.mT @ (kept[:, None] * updates)


def prefix_reads(
    weights: Tensor,
    keys: Tensor,
    updates: Tensor,
    queries: Tensor,
    decay: Tensor | None = None,
    *,
    inclusive: bool = True,
) -> Tensor:
    """Reads [n, V] in which query t sees the events up to t, or before t if not inclusive."""
    scores = queries @ keys.mT
    carried = queries @ weights
    n, shift = keys.shape[0], 0 if inclusive else 1
    if decay is not None:
        scores = scores * decay ** _lags(n, shift, keys.device)
        kept = decay ** torch.arange(1 - shift, n + 1 - shift, device=keys.device)
        carried = kept[:, None] * carried
    return carried + scores.tril(-shift) @ updates


def write(
    weights: Tensor,
    keys: Tensor,
    values: Tensor,
    rule: WriteRule,
    decay: Tensor | None = None,
    *,
    chunk: int = CHUNK,
) -> Tensor:
    """Weights [m, V] after any number of events, chunk by chunk."""
    for span in _spans(keys.shape[0], chunk):
        updates = rule(weights, keys[span], values[span])
        weights = accumulate(weights, keys[span], updates, decay)
    return weights


def scan(
    weights: Tensor,
    keys: Tensor,
    values: Tensor,
    queries: Tensor,
    rule: WriteRule,
    decay: Tensor | None = None,
    *,
    inclusive: bool = True,
    chunk: int = CHUNK,
) -> tuple[Tensor, Tensor]:
    """Interleaved reads [N, V] and the weights after all events, chunk by chunk."""
    reads = [values.new_zeros(0, values.shape[-1])]
    for span in _spans(keys.shape[0], chunk):
        updates = rule(weights, keys[span], values[span])
        reads.append(
            prefix_reads(weights, keys[span], updates, queries[span], decay, inclusive=inclusive)
        )
        weights = accumulate(weights, keys[span], updates, decay)
    return torch.cat(reads), weights


def _spans(n: int, chunk: int) -> Iterator[slice]:
    return (slice(start, start + chunk) for start in range(0, n, chunk))


def _lags(n: int, shift: int, device: torch.device) -> Tensor:
    """Events between event s and event t, less `shift`, as [t, s]; zero above the diagonal.

    Negative powers of a decay would overflow there, and their gradient would be NaN.
    """
    step = torch.arange(n, device=device)
    return (step[:, None] - step - shift).clamp(min=0)
