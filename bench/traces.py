"""Calls recorded once and replayed: what vmap and grad decide in Python is decided only once.

An online stream calls the same method on tensors of the same shapes ten thousand times. What such
a call does is a fixed list of tensor operations, because a memory may not branch on values; the
first call records that list, later ones run it. The operations and their order are those of the
call itself, so the numbers are too. At batch 1 this takes two thirds off a step, and leaving out
what is repeated (`bench.graph_passes`) almost half of the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from operator import is_
from typing import Any

from torch import Tensor
from torch.utils import _pytree as pytree

from bench.graph_passes import shortened

MOST = 8
"""Programs kept; a caller whose shapes keep changing gains nothing from more."""


@dataclass
class _Program:
    """What runs for arguments of one layout.

    Attributes:
        function: From the arguments' leaves to the result.
        recorded: Whether results are laid out alike at every call.
        returns: Number of the layout of the state it returns, once that was read.
    """

    function: Callable[..., Any]
    recorded: bool
    returns: int | None = None


class Traces:
    """The programs recorded so far, by what was called and the layout of its arguments.

    Args:
        fixed: First arguments of every call, and of every function: containers of tensors that
            never change. What depends on them alone is computed once.
    """

    def __init__(self, *fixed: Any) -> None:
        self._fixed = fixed
        self._programs: dict[Hashable, _Program] = {}
        self._known: dict[Hashable, _Program] = {}
        self._numbers: dict[Hashable, int] = {}
        self._newest: tuple[list[str], list[Any], int] = [], [], -1

    def run(self, name: Hashable, function: Callable[..., Any], arguments: Sequence[Any]) -> Any:
        """What `function(*fixed, *arguments)` returns, its tensors contiguous.

        Args:
            name: What the function computes: equal names mean equal functions.
            function: Pure; takes and returns nested containers of tensors.
            arguments: Tensors, None, and mappings and sequences of them.
        """
        leaves: list[Any] = []
        key = (name, self._unpacked(arguments, leaves))
        program = self._known.get(key)
        if program is None:
            program = self._program(name, function, arguments)
            if len(self._known) < MOST * MOST:
                self._known[key] = program
        result = program.function(*leaves)
        if program.recorded:
            self._note(program, result)
        return result

    def _note(self, program: _Program, result: Any) -> None:
        """Know the state just returned, which is what the next call is given, by its tensors."""
        state = result[-1] if isinstance(result, tuple) and result else result
        if isinstance(state, Mapping):
            if program.returns is None:
                program.returns = self._number(state, [])
            self._newest = list(state), list(state.values()), program.returns

    def _unpacked(self, parts: Iterable[Any], leaves: list[Any]) -> Hashable:
        """The exact layout of some arguments; what they contain is added to `leaves` in order."""
        layout: list[Hashable] = []
        for part in parts:
            if isinstance(part, Tensor):
                leaves.append(part)
                layout.append((part.shape, part.stride(), part.storage_offset(), part.dtype))
            elif isinstance(part, Mapping):
                layout.append(self._number(part, leaves))
            elif isinstance(part, tuple | list):
                layout.append(self._unpacked(part, leaves))
            else:
                leaves.append(part)
                layout.append(part)
        return tuple(layout)

    def _number(self, state: Mapping[str, Any], leaves: list[Any]) -> int:
        """The number of a state's layout; reading it anew takes as long as a small step."""
        names, values, number = self._newest
        if list(state) == names and all(map(is_, state.values(), values)):
            leaves.extend(state.values())
            return number
        layout = (*state, self._unpacked(state.values(), leaves))
        return self._numbers.setdefault(layout, len(self._numbers))

    def _program(
        self, name: Hashable, function: Callable[..., Any], arguments: Sequence[Any]
    ) -> _Program:
        """What runs for such arguments: the recorded call, or the call itself."""
        leaves, spec = pytree.tree_flatten((*self._fixed, *arguments))
        fixed = leaves[: len(pytree.tree_leaves(self._fixed))]
        key = (name, spec, tuple(_layout(leaf) for leaf in leaves[len(fixed) :]))

        def flat(*leaves: Any) -> Any:
            result = function(*pytree.tree_unflatten(leaves, spec))
            # strides belong to a program's layout: a restored state must meet the same one
            return pytree.tree_map_only(Tensor, Tensor.contiguous, result)

        if key not in self._programs:
            if len(self._programs) >= MOST:
                return _Program(partial(flat, *fixed), recorded=False)
            recorded = _recorded(flat, leaves, len(fixed))
            self._programs[key] = _Program(recorded, recorded=True)
        return self._programs[key]


def _layout(leaf: Any) -> Hashable:
    """What a program depends on; the stride of an axis of length 1 is never used."""
    if not isinstance(leaf, Tensor):
        other: Hashable = leaf
        return other
    strides = tuple(step for step, n in zip(leaf.stride(), leaf.shape, strict=True) if n > 1)
    return leaf.shape, strides, leaf.storage_offset(), leaf.dtype


def _recorded(
    function: Callable[..., Any], leaves: Sequence[Any], fixed: int
) -> Callable[..., Any]:
    from torch.fx.experimental.proxy_tensor import make_fx  # slow to import

    # make_fx knows a tensor by its object: one given twice would be taken for one argument
    own = [leaf.detach() if isinstance(leaf, Tensor) else leaf for leaf in leaves]
    return shortened(make_fx(function)(*own), own, fixed)
