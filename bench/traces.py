"""Calls recorded once and replayed: what vmap and grad decide in Python is decided only once.

An online stream calls the same method on tensors of the same shapes ten thousand times. What such
a call does is a fixed list of tensor operations, because a memory may not branch on values; the
first call records that list, later ones run it. The operations and their order are those of the
call itself, so the numbers are too. At batch 1 this takes two thirds off a step.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

from torch import Tensor
from torch.utils import _pytree as pytree

MOST = 8
"""Programs kept; a caller whose shapes keep changing gains nothing from more."""


class Traces:
    """The programs recorded so far, by what was called and the layout of its arguments."""

    def __init__(self) -> None:
        self._programs: dict[Hashable, Callable[..., Any]] = {}

    def run(self, name: Hashable, function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
        """What `function(*arguments)` returns, its tensors contiguous.

        Args:
            name: What the function computes: equal names mean equal functions.
            function: Pure; takes and returns nested containers of tensors.
            arguments: Tensors, None, and containers of them.
        """
        leaves, spec = pytree.tree_flatten(arguments)
        key = (name, spec, tuple(_layout(leaf) for leaf in leaves))
        program = self._programs.get(key)
        if program is None:

            def flat(*leaves: Any) -> Any:
                result = function(*pytree.tree_unflatten(leaves, spec))
                # strides belong to a program's layout: a restored state must meet the same one
                return pytree.tree_map_only(Tensor, Tensor.contiguous, result)

            if len(self._programs) >= MOST:
                return flat(*leaves)
            program = self._programs[key] = _recorded(flat, leaves)
        return program(*leaves)


def _layout(leaf: Any) -> Hashable:
    if not isinstance(leaf, Tensor):
        other: Hashable = leaf
        return other
    # the stride of an axis of length 1 is never used
    strides = tuple(step for step, n in zip(leaf.stride(), leaf.shape, strict=True) if n > 1)
    return leaf.shape, strides, leaf.dtype


def _recorded(function: Callable[..., Any], leaves: list[Any]) -> Callable[..., Any]:
    from torch.fx.experimental.proxy_tensor import make_fx  # slow to import

    program = make_fx(function)(*leaves)
    program.graph.eliminate_dead_code()
    program.recompile()
    compiled: Callable[..., Any] = program
    return compiled
