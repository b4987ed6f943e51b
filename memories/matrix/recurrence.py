"""The recurrence of matrix memories, a whole chunk of events at a time.

Every memory here is W_t = decay_t W_(t-1) + k_t^T u_t for updates u_t, which a write rule makes
from keys and values; a read is q W. The linear rule takes u_t = strength_t v_t. The delta rule
takes u_t = strength_t (v_t - k_t W_(t-1)), which depends on the updates before it: a chunk's worth
of them is the solution of one unit lower triangular system (the WY form; Yang et al. 2024).

Shapes: weights [m, V], keys and queries [n, m], values and updates [n, V]. A strength or a decay
is a scalar tensor, or [n] with one per event; a decay is None where nothing decays.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TypeAlias

import torch
from torch import Tensor

from memories.matrix.decays import between, since_start, to_end

CHUNK = 64
"""Events per triangular system: the cost of one grows with the square, the overhead shrinks."""

WriteRule: TypeAlias = Callable[..., Tensor]
"""Makes the updates [n, V] of a chunk from weights before it, keys and values.

What else it needs per event (a strength, a decay) it gets by name.
"""


def delta_updates(
    weights: Tensor,
    keys: Tensor,
    values: Tensor,
    strength: Tensor,
    decay: Tensor | None = None,
    *,
    decay_first: bool = False,
) -> Tensor:
    """Updates [n, V] of the delta rule: u_t = strength_t (v_t - k_t W), equal to the loop's.

    W is what the memory recalls from before event t: W_(t-1), or decay_t W_(t-1) if
    `decay_first` (the gated delta rule; Yang, Kautz & Hatamizadeh 2024).
    """
    overlap = keys @ keys.mT
    carried = keys @ weights
    if decay is not None:
        n, shift = keys.shape[0], 0 if decay_first else 1
        overlap = overlap * between(decay, n, shift)
        carried = carried * since_start(decay, n, shift)[:, None]
    # only the part below the diagonal is read: event t is corrected for those before it
    by_row = strength[..., None]
    updates: Tensor = torch.linalg.solve_triangular(
        by_row * overlap, by_row * (values - carried), upper=False, unitriangular=True
    )
    return updates


def hebb_updates(_weights: Tensor, _keys: Tensor, values: Tensor, strength: Tensor) -> Tensor:
    """Updates [n, V] of the linear rule: u_t = strength_t v_t."""
    return strength[..., None] * values


def accumulate(
    weights: Tensor, keys: Tensor, updates: Tensor, decay: Tensor | None = None
) -> Tensor:
    """Weights [m, V] after n events."""
    if decay is None:
        return weights + keys.mT @ updates
    of_start, of_updates = to_end(decay, keys.shape[0])
    return of_start * weights + keys.mT @ (of_updates[:, None] * updates)


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
        scores = scores * between(decay, n, shift)
        carried = since_start(decay, n, shift)[:, None] * carried
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
    rule_gates: Mapping[str, Tensor] | None = None,
    inclusive: bool = True,
    chunk: int = CHUNK,
) -> tuple[Tensor, Tensor]:
    """Interleaved reads [N, V] and the weights after all events, chunk by chunk.

    Args:
        weights: [m, V] before the first event.
        keys: [N, m].
        values: [N, V].
        queries: [N, m].
        rule: Makes the updates of a chunk.
        decay: Scalar, [N] or None.
        rule_gates: What the rule takes by name beside keys and values, each a scalar or [N].
        inclusive: Whether query t sees event t itself.
        chunk: Events at a time.
    """
    reads = [values.new_zeros(0, values.shape[-1])]
    for span in _spans(keys.shape[0], chunk):
        kept = None if decay is None else _part(decay, span)
        gates = {name: _part(gate, span) for name, gate in (rule_gates or {}).items()}
        updates = rule(weights, keys[span], values[span], **gates)
        reads.append(
            prefix_reads(weights, keys[span], updates, queries[span], kept, inclusive=inclusive)
        )
        weights = accumulate(weights, keys[span], updates, kept)
    return torch.cat(reads), weights


def _spans(n: int, chunk: int) -> Iterator[slice]:
    return (slice(start, start + chunk) for start in range(0, n, chunk))


def _part(gate: Tensor, span: slice) -> Tensor:
    """The part of a per-event gate that belongs to a chunk; a scalar is every chunk's."""
    return gate[span] if gate.dim() else gate
