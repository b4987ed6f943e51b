"""Recorded operations made fewer: the same kernels on the same numbers, nothing done twice.

What vmap and grad record is for the most part views of views, constants made anew at every call
and results computed twice. All layouts are known once a call is recorded. So every chain of views
becomes one `as_strided` of the tensor that owns the memory, what depends only on tensors that never
change is kept, and equal operations are done once. No kernel is exchanged for another one: results
keep their bits.
"""

from __future__ import annotations

import contextlib
import operator
from collections.abc import Callable, Hashable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, fx
from torch._ops import OpOverload
from torch.utils._python_dispatch import TorchDispatchMode

_PURE = (operator.getitem, torch.as_strided)
"""Targets that are no operators of torch and change nothing."""


class _Seen(NamedTuple):
    """A tensor as its operation returned it."""

    value: Tensor
    layout: tuple[tuple[int, ...], tuple[int, ...], int]
    kind: Hashable
    """What tells whether a tensor of the same memory can be had by `as_strided`."""
    memory: int


def shortened(program: fx.GraphModule, leaves: Sequence[Any], fixed: int) -> Callable[..., Any]:
    """A function of the arguments that are not fixed, with the results of the program.

    Args:
        program: As `make_fx` records it; used up.
        leaves: Its arguments, laid out as all later ones will be.
        fixed: How many of them, the first ones, are the same tensors in all calls.
    """
    graph = program.graph
    _in_order(graph)
    facts = _Facts(graph, _Observer(program).observe(leaves))
    _join_views(graph, facts)
    _join_equals(graph, facts)
    held = _hold_constants(graph, facts, fixed)
    graph.eliminate_dead_code()
    for placeholder in graph.find_nodes(op="placeholder")[len(held) :][:fixed]:
        graph.erase_node(placeholder)
    _call_directly(graph, facts)
    program.recompile()
    return partial(program.forward, *held)


class _Observer(fx.Interpreter):
    """Runs a program once; frees nothing on the way, so that an address tells a memory."""

    def __init__(self, program: fx.GraphModule) -> None:
        super().__init__(program, garbage_collect_values=False)
        self.seen: dict[fx.Node, _Seen] = {}

    @torch.no_grad()
    def observe(self, leaves: Sequence[Any]) -> dict[fx.Node, _Seen]:
        """Every tensor by the operation that returned it."""
        # `run` would make a progress bar, whose lock a stopped worker leaves behind
        self.args_iter = iter(leaves)
        for node in self.graph.nodes:
            self.env[node] = self.run_node(node)
        return self.seen

    def run_node(self, n: fx.Node) -> Any:
        """What an operation returns, noted down if it is a tensor."""
        result = super().run_node(n)
        if isinstance(result, Tensor) and result.layout == torch.strided and n.op != "output":
            layout = (tuple(result.shape), result.stride(), int(result.storage_offset()))
            kind = (result.dtype, result.is_conj(), result.is_neg())
            memory = result.untyped_storage().data_ptr() if result.numel() else -len(self.seen) - 1
            # an alias of its own: an operation in place may change the shape of the tensor
            self.seen[n] = _Seen(result.detach(), layout, kind, memory)
        return result


class _Facts:
    """What is known of the nodes of a graph.

    Attributes:
        seen: The tensor that each returned.
        owner: The node whose memory each returns: itself unless it is a view.
        escaped: Nodes whose memory the caller gets.
        written: Memory that is written to in place.
    """

    def __init__(self, graph: fx.Graph, seen: dict[fx.Node, _Seen]) -> None:
        self.seen = seen
        self.owner: dict[fx.Node, fx.Node] = {}
        for node in seen:
            self.owner[node] = self._owner(node)
        (output,) = graph.find_nodes(op="output")
        self.escaped = {self.owner[node] for node in output.all_input_nodes if node in seen}
        self.written = {
            seen[source].memory
            for node in graph.nodes
            if _writes(node) and not _reshapes_in_place(node)
            for source in _tensors(node, seen)
        }

    def _owner(self, node: fx.Node) -> fx.Node:
        own = self.seen[node]
        for source in _tensors(node, self.seen):
            whole = self.seen[source]
            if (whole.memory, whole.kind) == (own.memory, own.kind):
                return self.owner[source]
        return node

    def add(self, node: fx.Node, like: fx.Node) -> None:
        """Know a node that returns what another one returned."""
        self.seen[node], self.owner[node] = self.seen[like], self.owner[like]

    def repeatable(self, node: fx.Node) -> bool:
        """Whether running the node once or often makes no difference to anything but time."""
        returned = [node] if node in self.seen else list(node.users)
        return (
            _pure(node)
            and all(user in self.seen and self.owner[user] not in self.escaped for user in returned)
            and not any(
                self.seen[part].memory in self.written
                for part in (*returned, *_tensors(node, self.seen))
            )
        )


def _tensors(node: fx.Node, seen: dict[fx.Node, _Seen]) -> Iterator[fx.Node]:
    """The nodes whose tensors a node is given, also through a list of them."""
    for source in node.all_input_nodes:
        if source in seen:
            yield source
        else:
            yield from _tensors(source, seen)


def _pure(node: fx.Node) -> bool:
    """Whether a node's result depends on its arguments alone, and nothing else changes."""
    if node.op != "call_function" or _writes(node):
        return False
    if isinstance(node.target, OpOverload):
        return torch.Tag.nondeterministic_seeded not in node.target.tags
    return node.target in _PURE


def _writes(node: fx.Node) -> bool:
    schema = getattr(node.target, "_schema", None)
    return node.op == "call_function" and schema is not None and schema.is_mutable


def _reshapes_in_place(node: fx.Node) -> bool:
    return _writes(node) and torch.Tag.inplace_view in getattr(node.target, "tags", ())


def _in_order(graph: fx.Graph) -> None:
    """Let what follows a change of shape in place use its result, not the changed tensor."""
    place = {node: i for i, node in enumerate(graph.nodes)}
    for node in graph.nodes:
        if _reshapes_in_place(node):
            later = [user for user in node.args[0].users if place[user] > place[node]]
            for user in later:
                user.replace_input_with(node.args[0], node)


def _join_views(graph: fx.Graph, facts: _Facts) -> None:
    """Cut every view from the tensor that owns its memory; leave out those that change nothing."""
    for node in list(graph.nodes):
        if node.op != "call_function" or node not in facts.seen:
            continue
        owner = facts.owner[node]
        if owner is node or (_writes(node) and not _reshapes_in_place(node)):
            continue
        shape, stride, offset = facts.seen[node].layout
        view = owner
        if facts.seen[owner].layout != (shape, stride, offset):
            with graph.inserting_before(node):
                view = graph.call_function(
                    torch.as_strided, (owner, list(shape), list(stride), offset)
                )
            facts.add(view, node)
        node.replace_all_uses_with(view)
        graph.erase_node(node)


def _join_equals(graph: fx.Graph, facts: _Facts) -> None:
    """Do once what is done to the same arguments in several places."""
    first: dict[Hashable, fx.Node] = {}
    for node in list(graph.nodes):
        if facts.repeatable(node):
            known = first.setdefault(_identity((node.target, node.args, node.kwargs)), node)
            if known is not node:
                node.replace_all_uses_with(known)
                graph.erase_node(node)


def _identity(part: Any) -> Hashable:
    """What two arguments have in common that are the same one: 1, 1.0 and True are not."""
    if isinstance(part, tuple | list):
        return type(part).__name__, *map(_identity, part)
    if isinstance(part, dict):
        return "dict", *((key, _identity(value)) for key, value in part.items())
    return part if isinstance(part, fx.Node) else (type(part), repr(part))


def _hold_constants(graph: fx.Graph, facts: _Facts, fixed: int) -> list[Tensor]:
    """Make what depends on fixed tensors alone the first arguments of the graph; their values."""
    constant = set(graph.find_nodes(op="placeholder")[:fixed])
    for node in graph.nodes:
        known = constant.issuperset(node.all_input_nodes) and facts.repeatable(node)
        if known or node.op == "get_attr":
            constant.add(node)
    needed = [
        node
        for node in graph.nodes
        if node in constant and node in facts.seen and not constant.issuperset(node.users)
    ]
    start = next(iter(graph.nodes))
    for number, node in enumerate(needed):
        with graph.inserting_before(start):
            argument = graph.placeholder(f"held_{number}")
        node.replace_all_uses_with(argument, delete_user_cb=lambda user: user not in constant)
        facts.add(argument, node)
    return [facts.seen[node].value for node in needed]


def _call_directly(graph: fx.Graph, facts: _Facts) -> None:
    """Use torch's own functions where they lead to the recorded operators: calls cost less."""
    for node in graph.nodes:
        known = all(source in facts.seen for source in node.all_input_nodes)
        if not known or not _pure(node) or not isinstance(node.target, OpOverload):
            continue
        packet = node.target.overloadpacket
        function = getattr(torch, packet.__name__, None)
        if function is None or packet is not getattr(torch.ops.aten, packet.__name__, None):
            continue
        given, options = fx.node.map_arg((node.args, node.kwargs), lambda n: facts.seen[n].value)
        with torch.no_grad(), _Calls() as calls, contextlib.suppress(TypeError):
            function(*given, **options)
        if calls.made == [packet]:
            node.target = function


class _Calls(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Notes which operators are called."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.made: list[Any] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """The result of an operator, whose name is noted down."""
        self.made.append(func.overloadpacket)
        return func(*args, **(kwargs or {}))
