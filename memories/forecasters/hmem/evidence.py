"""What a memory recalled for one origin, in the one form that H-Mem's correction takes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from memories.base import State
from memories.slots.bank_search import Recalled
from memories.slots.error_memory_bank import ErrorMemoryBank


class Evidence(NamedTuple):
    """What was recalled for one origin.

    Attributes:
        error: Past errors [H, C], made one; zero where nothing is valid.
        similarity: Similarities [K], best first, zero where not valid; of a memory that tells
            none, other numbers that say how far to trust it.
        valid: Which of them count, bool [K].
        any_valid: Whether any does, bool.
        filled: Share of the memory that is in use.
        comparable: Whether `similarity` holds similarities; the same for all origins.
    """

    error: Tensor
    similarity: Tensor
    valid: Tensor
    any_valid: Tensor
    filled: Tensor
    comparable: bool = True


def evidence_of_bank(
    bank: ErrorMemoryBank,
    state: State,
    recalled: Recalled,
    horizon: int,
    weights: Tensor | None = None,
) -> Evidence:
    """What an error bank recalled.

    Args:
        bank: The bank.
        state: Its state.
        recalled: What its `recall` found.
        horizon: H.
        weights: [K], in place of the bank's own aggregation.
    """
    error = bank.aggregate(recalled) if weights is None else weights @ recalled.values
    return Evidence(
        error=error.reshape(horizon, -1),
        similarity=recalled.similarity,
        valid=recalled.valid,
        any_valid=recalled.valid.any(),
        filled=filled_share(bank, state),
    )


def filled_share(bank: ErrorMemoryBank, state: State) -> Tensor:
    """Share of a bank's slots that hold an event."""
    return bank.valid(state).to(state["keys"].dtype).mean()


def evidence_of_info(
    info: Mapping[str, Tensor], horizon: int, *, width: int, min_entries: int
) -> Evidence:
    """What a memory that names its slots recalled, from its `read_info` of one query.

    Args:
        info: ``values`` [1, H C], ``idx`` [1, k], ``sim`` [1, M] and ``valid`` [M].
        horizon: H.
        width: K; further similarities are left out, missing ones are zero.
        min_entries: Slots that must be in use before anything counts.
    """
    in_use = info["valid"]
    slots = info["idx"][0]
    any_valid = in_use.sum() >= min_entries
    near = torch.where(in_use[slots] & any_valid, info["sim"][0][slots], -torch.inf)
    near = near.sort(descending=True).values[:width]
    near = torch.cat([near, near.new_full((width - len(near),), -torch.inf)])
    valid = near > -torch.inf
    error = torch.where(any_valid, info["values"][0].reshape(horizon, -1), 0.0)
    filled = in_use.to(error.dtype).mean()
    return Evidence(error, torch.where(valid, near, 0.0), valid, any_valid, filled)


def evidence_of_memory(
    recalled: Tensor,
    newest: Tensor,
    written: Tensor,
    *,
    capacity: int,
    width: int,
    min_entries: int,
) -> Evidence:
    """What any associative memory recalled, for which only its answer is known.

    In place of similarities: cos(E, newest E), rms(E), log(1 + n) / log(1 + N), and zeros.

    Args:
        recalled: Recalled error E [H, C].
        newest: The newest error that was written [H, C].
        written: Errors written, n.
        capacity: Errors that the memory is built for, N.
        width: K, at least 3.
        min_entries: Errors that must have been written before the answer counts.
    """
    any_valid = written >= min_entries
    error = torch.where(any_valid, recalled, 0.0)
    squares = torch.stack([error.square().sum(), newest.square().sum()]) + 1e-12
    cosine = (error * newest).sum() * squares.prod().rsqrt()
    rms = (error.square().mean() + 1e-12).sqrt()
    filled = (written.to(error.dtype) + 1).log() / torch.log(error.new_tensor(capacity + 1.0))
    told = torch.where(any_valid, torch.stack([cosine, rms, filled]), 0.0)
    similarity = torch.cat([told, told.new_zeros(width - len(told))])
    valid = any_valid & (torch.arange(width, device=error.device) < len(told))
    share = (written / capacity).clamp(max=1).to(error.dtype)
    return Evidence(error, similarity, valid, any_valid, share, comparable=False)
