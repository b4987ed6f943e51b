"""All seeds of a cell at once: memories stacked along a leading axis and called through vmap.

A lane gives the numbers that its seed gives alone. Every argument and every result carries the
lane axis S first; `None` stays `None`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap
from torch.utils import _pytree as pytree

from bench.traces import Traces
from memories.base import Memory, State, param_floats, state_floats

CHUNK_BYTES = 32 * 2**20
"""State bytes that one vmapped call may hold; more lanes than fit are done in chunks.

Larger temporaries leave the allocator's pool and are paged in anew at every call: with 512 MiB
the capacity suite spent two thirds of its time in the kernel.
"""

_PLAIN = (bool, int, float, complex, str, bytes, type(None), tuple, list, dict, set, frozenset)


class _Dispatch(nn.Module):
    """Makes every method of a memory reachable: `functional_call` only calls `forward`."""

    def __init__(self, memory: Memory) -> None:
        super().__init__()
        self.memory = memory

    def forward(self, method: str, *args: Any, **options: Any) -> Any:
        return getattr(self.memory, method)(*args, **options)


class LaneMismatch(ValueError):
    """The memories of a stack cannot be lanes of one call, or a result has the wrong shape."""


class Lanes:
    """S memories of one class, called as one.

    Args:
        memories: One per lane; same class, same shapes, same plain attributes.
        device: Where parameters and state live.
        chunk: Lanes per vmapped call; chosen from the state's size if None.
        traced: Whether calls are recorded and replayed (`bench.traces`); worth it where the same
            call is made thousands of times.

    Raises:
        LaneMismatch: If the memories differ in more than parameters and buffers.
    """

    def __init__(
        self,
        memories: Sequence[Memory],
        *,
        device: str = "cpu",
        chunk: int | None = None,
        traced: bool = False,
    ) -> None:
        if not memories:
            raise LaneMismatch("a stack needs at least one memory")
        _refuse_differences(memories)
        self.device = torch.device(device)
        self._modules = [_Dispatch(memory).to(self.device) for memory in memories]
        # The lane numbers give a memory without parameters something to be mapped over.
        self._numbers = torch.arange(len(memories), device=self.device)
        self._params = _stack(dict(m.named_parameters()) for m in self._modules)
        self._buffers = _stack(dict(m.named_buffers()) for m in self._modules)
        self._vectorized = memories[0].vectorized
        self._chunk = chunk
        self._traces = Traces(*self._fixed) if traced else None
        self._layout: dict[str, tuple[torch.Size, torch.dtype]] | None = None

    @property
    def size(self) -> int:
        """Number of lanes S."""
        return len(self._modules)

    @property
    def memory(self) -> Memory:
        """The memory of the first lane, for its class attributes."""
        return self._modules[0].memory

    @property
    def memories(self) -> list[Memory]:
        """The memory of each lane, for a task that builds a model around it."""
        return [module.memory for module in self._modules]

    def select(self, lanes: Sequence[int]) -> Lanes:
        """The stack made of these lanes, which may repeat."""
        picked = object.__new__(Lanes)
        picked.device = self.device
        picked._modules = [self._modules[lane] for lane in lanes]
        index = torch.as_tensor(list(lanes), device=self.device)
        picked._numbers = torch.arange(len(lanes), device=self.device)
        picked._params = {k: v.index_select(0, index) for k, v in self._params.items()}
        picked._buffers = {k: v.index_select(0, index) for k, v in self._buffers.items()}
        picked._vectorized = self._vectorized
        picked._chunk, picked._layout = self._chunk, self._layout
        picked._traces = None if self._traces is None else Traces(*picked._fixed)
        return picked

    def repeat(self, times: int) -> Lanes:
        """Each lane `times` times over, copies side by side: lane s becomes s*times, ..."""
        return self.select([lane for lane in range(self.size) for _ in range(times)])

    @staticmethod
    def select_state(state: State, lanes: Sequence[int]) -> State:
        """The rows of a stacked state that belong to these lanes."""
        return {
            name: entry.index_select(0, torch.as_tensor(list(lanes), device=entry.device))
            for name, entry in state.items()
        }

    def call(self, method: str, *args: Any, **options: Any) -> Any:
        """Any method of the memory over all lanes.

        Tensors in the arguments and in the result carry the lane axis; `options` are plain values
        shared by all lanes.
        """
        return self._call(method, args, options)

    def _call(
        self,
        method: str,
        args: tuple[Any, ...],
        options: dict[str, Any],
        check: Callable[[Any], Any] | None = None,
    ) -> Any:
        """The result of a method, once its layout is checked; that of a recorded call is known."""
        if torch.is_grad_enabled():
            with torch.no_grad():
                return self._call(method, args, options, check)
        if not self._vectorized:
            result = self._loop(method, args, options)
            return result if check is None else check(result)
        if self._traces is None:
            return self._map(method, options, check, *self._fixed, *args)
        name = (method, self._chunk, self._layout is None, *options.items())
        return self._traces.run(name, partial(self._map, method, options, check), args)

    @property
    def _fixed(self) -> tuple[dict[str, Tensor], dict[str, Tensor], Tensor]:
        """What every call is given and none changes."""
        return self._params, self._buffers, self._numbers

    def _map(
        self,
        method: str,
        options: dict[str, Any],
        check: Callable[[Any], Any] | None,
        *given: Any,
    ) -> Any:
        """The result of a method for its fixed arguments and its own."""
        module = self._modules[0]

        def one(
            params: dict[str, Tensor], buffers: dict[str, Tensor], _: Tensor, *args: Any
        ) -> Any:
            return functional_call(module, (params, buffers), (method, *args), options)

        in_dims = tuple(None if part is None else 0 for part in given)
        result = vmap(one, in_dims=in_dims, chunk_size=self._chunk)(*given)
        return result if check is None else check(result)

    def _loop(self, method: str, args: tuple[Any, ...], options: dict[str, Any]) -> Any:
        results = []
        for lane, module in enumerate(self._modules):
            own = pytree.tree_map(lambda x, lane=lane: x[lane] if torch.is_tensor(x) else x, args)
            results.append(module(method, *own, **options))
        return pytree.tree_map(lambda *parts: torch.stack(parts), *results)

    def init_state(self) -> State:
        """The state [S, ...] of every entry before any event."""
        state: State = self.call("init_state")
        # vmap hands out constants as expanded views; copies can be saved and shared safely
        state = {name: entry.contiguous() for name, entry in state.items()}
        self._layout = {name: (entry.shape[1:], entry.dtype) for name, entry in state.items()}
        if self._chunk is None:
            per_lane = sum(t[0].numel() * t.element_size() for t in state.values())
            fits = max(1, CHUNK_BYTES // max(1, per_lane))
            self._chunk = fits if fits < self.size else None
        return state

    def write(
        self,
        state: State,
        keys: Tensor,
        values: Tensor,
        times: Tensor | None = None,
        contexts: Tensor | None = None,
    ) -> State:
        """The state after keys [S, N, D] and values [S, N, V] were written in order."""
        return self._state(self.call("write", state, keys, values, times, contexts), "write")

    def read(
        self,
        state: State,
        queries: Tensor,
        times: Tensor | None = None,
        contexts: Tensor | None = None,
        *,
        value_dim: int | None = None,
    ) -> Tensor:
        """Values [S, Q, V] for queries [S, Q, D].

        Raises:
            LaneMismatch: If `value_dim` is given and the result is not [S, Q, value_dim].
        """
        values: Tensor = self.call("read", state, queries, times, contexts)
        if value_dim is not None:
            _expect(values, (*queries.shape[:2], value_dim), "read")
        return values

    def scan(
        self, state: State, keys: Tensor, values: Tensor, queries: Tensor, *, inclusive: bool = True
    ) -> tuple[Tensor, State]:
        """Reads [S, N, V] of queries interleaved with the writes, and the state after all."""
        out: tuple[Tensor, State] = self.call(
            "scan", state, keys, values, queries, inclusive=inclusive
        )
        return out

    def observe(self, state: State, x_t: Tensor, recent: tuple[Tensor, Tensor]) -> State:
        """The state after row x_t [S, C]; recent = windows [S, L, C] and targets [S, H, C]."""
        check = partial(self._state, method="observe")
        after: State = self._call("observe", (state, x_t, recent), {}, check)
        return after

    def predict(
        self, state: State, window: Tensor, *, horizon: int | None = None
    ) -> tuple[Tensor, State]:
        """Forecasts [S, H, C] from windows [S, L, C], and the state after issuing them.

        Raises:
            LaneMismatch: If `horizon` is given and the forecast is not [S, horizon, C].
        """

        def check(result: tuple[Tensor, State]) -> tuple[Tensor, State]:
            forecast, after = result
            if horizon is not None:
                _expect(forecast, (window.shape[0], horizon, window.shape[2]), "predict")
            return forecast, self._state(after, "predict")

        out: tuple[Tensor, State] = self._call("predict", (state, window), {}, check)
        return out

    def state_floats(self, state: State) -> float:
        """State size of one lane in 32-bit words, measured from the tensors."""
        return state_floats({name: entry[0] for name, entry in state.items()})

    def param_floats(self) -> float:
        """Size of one lane's slow weights and fixed buffers in 32-bit words."""
        return param_floats(self.memory)

    def _state(self, state: State, method: str) -> State:
        """The state itself, if it still has the layout of `init_state`."""
        if self._layout is None:
            return state
        if state.keys() != self._layout.keys():
            changed = sorted(set(state) ^ set(self._layout))
            raise LaneMismatch(f"{method} changed the state's entries: {', '.join(changed)}")
        for name, entry in state.items():
            if (entry.shape[1:], entry.dtype) != self._layout[name]:
                shape, dtype = self._layout[name]
                raise LaneMismatch(
                    f"{method} changed state entry '{name}' from {list(shape)} {dtype} "
                    f"to {list(entry.shape[1:])} {entry.dtype}"
                )
        return state


def _expect(result: Tensor, shape: tuple[int, ...], method: str) -> None:
    if tuple(result.shape) != shape:
        raise LaneMismatch(
            f"{method} returned shape {list(result.shape[1:])}, expected {list(shape[1:])}"
        )


def _stack(entries: Iterable[dict[str, Tensor]]) -> dict[str, Tensor]:
    per_lane = list(entries)
    return {name: torch.stack([entry[name].detach() for entry in per_lane]) for name in per_lane[0]}


def _plain_attributes(memory: Memory) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for prefix, module in memory.named_modules():
        for name, value in vars(module).items():
            if name.startswith("_") or name == "training":
                continue
            path = f"{prefix}.{name}" if prefix else name
            if any(torch.is_tensor(leaf) for leaf in pytree.tree_leaves(value)):
                raise LaneMismatch(
                    f"attribute '{path}' is a plain tensor: register it as a buffer or parameter"
                )
            if isinstance(value, _PLAIN):
                found[path] = value
    return found


def _refuse_differences(memories: Sequence[Memory]) -> None:
    """Lanes share one forward pass, so what is not a tensor must be the same in all of them."""
    first = memories[0]
    expected, layout = _plain_attributes(first), _tensor_layout(first)
    for lane, memory in enumerate(memories[1:], start=1):
        if type(memory) is not type(first):
            raise LaneMismatch(
                f"lane {lane} is a {type(memory).__name__}, lane 0 a {type(first).__name__}"
            )
        attributes = _plain_attributes(memory)
        for name in sorted(expected.keys() | attributes.keys()):
            if expected.get(name) != attributes.get(name):
                raise LaneMismatch(
                    f"attribute '{name}' differs between lanes ({expected.get(name)!r} and "
                    f"{attributes.get(name)!r}): declare it with self.scalar('{name}', value)"
                )
        own = _tensor_layout(memory)
        for name in sorted(layout.keys() | own.keys()):
            if layout.get(name) != own.get(name):
                raise LaneMismatch(
                    f"'{name}' is {own.get(name, 'missing')} in lane {lane}, "
                    f"{layout.get(name, 'missing')} in lane 0"
                )


def _tensor_layout(memory: Memory) -> dict[str, str]:
    """Shape and dtype of every parameter and buffer, in words."""
    tensors = [*memory.named_parameters(), *memory.named_buffers()]
    return {name: f"{list(tensor.shape)} {tensor.dtype}" for name, tensor in tensors}
