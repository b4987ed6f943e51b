"""Fewer operations, the same bits, and nothing shared that was not shared before."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.func import grad, vmap
from torch.fx.experimental.proxy_tensor import make_fx

from bench.graph_passes import shortened


def drawn(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape)))


def recorded(
    function: Callable[..., Any], *leaves: Tensor, fixed: int = 0
) -> tuple[Any, list[str]]:
    """The shortened function and the names of the operations it is left with."""
    program = shortened(make_fx(function)(*leaves), leaves, fixed)
    graph = program.func.__self__.graph
    nodes = [node for node in graph.nodes if node.op == "call_function"]
    return program, [getattr(node.target, "__name__", str(node.target)) for node in nodes]


def test_a_chain_of_views_is_one_cut_from_the_owner_of_the_memory():
    def function(x: Tensor) -> Tensor:
        return x.view(4, 6).transpose(0, 1).unsqueeze(0).expand(2, -1, -1)[:, 1:3].exp()

    x = drawn(2, 12)
    program, names = recorded(function, x)
    assert names == ["as_strided", "exp"]
    assert torch.equal(program(x), function(x))
    assert program(x).stride() == function(x).stride()


def test_a_view_that_changes_nothing_is_left_out():
    program, names = recorded(lambda x: x.view(3, 4).expand(3, 4).view(3, 4).exp(), drawn(3, 4))
    assert names == ["exp"]
    assert torch.equal(program(torch.ones(3, 4)), torch.ones(3, 4).exp())


def test_parts_of_a_vector_are_cut_without_splitting_it():
    def function(x: Tensor) -> Tensor:
        a, b = torch.split(x, [2, 4])
        return a.exp().sum() + b.view(2, 2).exp().sum()

    program, names = recorded(function, drawn(6))
    assert "split_with_sizes" not in str(names)
    assert torch.equal(program(drawn(6) + 1), function(drawn(6) + 1))


def test_an_argument_in_the_middle_of_a_larger_memory_is_cut_at_its_place():
    whole = drawn(5, 6)
    program, _ = recorded(lambda x: x.transpose(0, 1)[1:].exp(), whole[2:4])
    again = drawn(6, 6)[2:4]
    assert torch.equal(program(again), again.T[1:].exp())


def test_arguments_that_share_memory_when_recorded_need_not_share_it_later():
    x = drawn(4)
    program, _ = recorded(lambda a, b: (a.view(2, 2).exp(), b.view(2, 2).sin()), x, x.detach())
    a, b = drawn(4) + 1, drawn(4) + 2
    seen = program(a, b)
    assert torch.equal(seen[0], a.view(2, 2).exp())
    assert torch.equal(seen[1], b.view(2, 2).sin())


def test_what_depends_on_fixed_tensors_alone_is_computed_once():
    def function(weight: Tensor, x: Tensor) -> Tensor:
        return x @ (weight.T.exp() + torch.arange(3.0)[:, None])

    weight, x = drawn(2, 3), drawn(5, 3)
    program, names = recorded(function, weight, x, fixed=1)
    assert names == ["mm"]
    assert torch.equal(program(x), function(weight, x))


def test_equal_operations_are_done_once():
    def function(x: Tensor) -> Tensor:
        return x.exp() * 2 + x.exp() * 2

    program, names = recorded(function, drawn(3))
    assert names == ["exp", "mul", "add"]
    assert torch.equal(program(drawn(3)), function(drawn(3)))


def test_one_as_a_number_of_another_type_is_another_operation():
    def function(x: Tensor) -> tuple[Tensor, Tensor]:
        return (x * 1).double().sum(), (x * 1.0).double().sum() + (x * True).double().sum()

    x = torch.arange(4)
    program, names = recorded(function, x)
    assert names.count("mul") == 3
    assert [float(part) for part in program(x)] == [6.0, 12.0]


def test_results_share_no_memory_that_they_did_not_share_before():
    """Two equal constants stay two tensors, made anew at each call."""

    def function(x: Tensor) -> dict[str, Tensor]:
        return {"first": torch.zeros_like(x), "second": torch.zeros_like(x), "sum": x + x}

    program, _ = recorded(function, drawn(3))
    results = [*program(drawn(3)).values(), *program(drawn(3)).values()]
    assert len({result.untyped_storage().data_ptr() for result in results}) == len(results)


def test_a_result_made_of_fixed_tensors_is_not_the_kept_one():
    weight = drawn(3)
    program, _ = recorded(lambda w, x: (w * 2, x + w * 2), weight, drawn(3), fixed=1)
    program(drawn(3))[0].zero_()
    result, total = program(torch.zeros(3))
    assert torch.equal(result, weight * 2)
    assert torch.equal(total, weight * 2)


def test_writes_in_place_stay_in_their_order():
    """The two buffers of zeros are one operation twice, but each is written to."""

    def function(x: Tensor) -> Tensor:
        a, b = torch.zeros(4), torch.zeros(4)
        before = a + 1
        a[1:3].copy_(x[:2])
        after = a + 1
        b.add_(x)
        return torch.stack([before, after, b])

    x = drawn(4)
    program, _ = recorded(function, x)
    for _ in range(2):
        assert torch.equal(program(x), function(x))


def test_a_change_of_shape_in_place_is_a_view():
    def function(x: Tensor) -> Tensor:
        y = x.exp()
        y.squeeze_(0)
        return y.transpose(0, 1) + 1

    x = drawn(1, 2, 3)
    program, names = recorded(function, x)
    assert names == ["exp", "as_strided", "add"]
    assert torch.equal(program(x), function(x))


def test_views_that_flip_a_sign_or_another_type_are_no_plain_cuts():
    def function(x: Tensor) -> tuple[Tensor, Tensor]:
        z = torch.view_as_complex(x)
        return torch.view_as_real(z.conj() * z), x.view(torch.int32)[0] + 1

    x = drawn(4, 2)
    program, _ = recorded(function, x)
    for expected, seen in zip(function(x), program(x), strict=True):
        assert torch.equal(seen, expected)


def test_draws_are_neither_kept_nor_merged():
    program, _ = recorded(lambda x: (x + torch.rand(8), x + torch.rand(8)), torch.zeros(8))
    numbers = torch.stack([*program(torch.zeros(8)), *program(torch.zeros(8))])
    assert len(set(numbers[:, 0].tolist())) == 4


def test_gradients_over_lanes_keep_their_bits_and_their_operations():
    """A layer and its gradient, three lanes: no kernel is replaced, none is added."""

    def loss(w: Tensor, x: Tensor, y: Tensor) -> Tensor:
        hidden = torch.nn.functional.gelu(x @ w[:12].view(3, 4))
        return (hidden @ w[12:].view(4, 2) - y).square().mean()

    function = vmap(grad(loss))
    w, x, y = drawn(3, 20), drawn(3, 5, 3), drawn(3, 5, 2)
    whole = make_fx(function)(w, x, y).graph.nodes
    program, names = recorded(function, w, x, y)
    again = drawn(3, 20) * 2
    assert torch.equal(program(again, x, y), function(again, x, y))
    assert names.count("bmm") == sum(node.target is torch.ops.aten.bmm.default for node in whole)
    assert len(names) < 0.7 * len([node for node in whole if node.op == "call_function"])
