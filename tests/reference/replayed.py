"""ER, DER++ and MIR as loops over whole pairs, with torch's Adam on a plain module.

Chaudhry et al. 2019; Buzzega et al. 2020; Aljundi et al. 2019. Each yields the forecast [H, C] of
every origin from L+H on: the pair of origin t-H is learned, stored, then origin t is forecast.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss

from tests.reference.reservoir import Reservoir

Pair = tuple[Tensor, Tensor]
Step = Callable[[Tensor, Tensor, list[float]], None]


def _stream(
    module: nn.Module, rows: Tensor, size: tuple[int, int], uniforms: Tensor, step: Step
) -> Iterator[Tensor]:
    lookback, horizon = size
    for t in range(lookback + horizon, len(rows)):
        past = t - horizon
        window, target = rows[past - lookback + 1 : past + 1], rows[past + 1 : t + 1]
        step(window, target, uniforms[t - lookback - horizon].tolist())
        yield module(rows[None, t - lookback + 1 : t + 1])[0].detach()


def er(
    module: nn.Module,
    rows: Tensor,
    size: tuple[int, int],
    uniforms: Tensor,
    *,
    learning_rate: float,
    capacity: int,
    weight: float,
    replace: bool,
) -> Iterator[Tensor]:
    """Uniforms [steps, 1+8]: what is stored, then what is drawn."""
    optimiser = torch.optim.Adam(module.parameters(), lr=learning_rate)
    reservoir = Reservoir(capacity)

    def step(window: Tensor, target: Tensor, u: list[float]) -> None:
        loss = mse_loss(module(window[None])[0], target)
        if drawn := reservoir.draw(u[1:], replace=replace):
            older = [mse_loss(module(x[None])[0], y) for x, y in drawn]
            loss = loss + weight * sum(older) / len(older)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        reservoir.add((window, target), u[0])

    return _stream(module, rows, size, uniforms, step)


def derpp(
    module: nn.Module,
    rows: Tensor,
    size: tuple[int, int],
    uniforms: Tensor,
    *,
    learning_rate: float,
    capacity: int,
    alpha: float,
    beta: float,
) -> Iterator[Tensor]:
    """Draws with replacement; an item is a pair and what was forecast when it was learned."""
    optimiser = torch.optim.Adam(module.parameters(), lr=learning_rate)
    reservoir = Reservoir(capacity)

    def step(window: Tensor, target: Tensor, u: list[float]) -> None:
        output = module(window[None])[0]
        loss = mse_loss(output, target)
        drawn = reservoir.draw(u[1:], replace=True)
        for x, y, said in drawn:
            now = module(x[None])[0]
            loss = loss + (alpha * mse_loss(now, said) + beta * mse_loss(now, y)) / len(drawn)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        reservoir.add((window, target, output.detach()), u[0])

    return _stream(module, rows, size, uniforms, step)


def mir(
    module: nn.Module,
    rows: Tensor,
    size: tuple[int, int],
    uniforms: Tensor,
    *,
    learning_rate: float,
    capacity: int,
    weight: float,
) -> Iterator[Tensor]:
    """Uniforms [steps, 1+candidates]; the virtual step is taken by copies of model and Adam."""
    optimiser = torch.optim.Adam(module.parameters(), lr=learning_rate)
    reservoir = Reservoir(capacity)

    def harm(virtual: nn.Module, pair: Pair) -> float:
        with torch.no_grad():
            x, y = pair[0][None].double(), pair[1].double()
            after = mse_loss(copy.deepcopy(virtual).double()(x)[0], y)
            return float(after - mse_loss(copy.deepcopy(module).double()(x)[0], y))

    def step(window: Tensor, target: Tensor, u: list[float]) -> None:
        virtual = copy.deepcopy(module)
        ahead = torch.optim.Adam(virtual.parameters(), lr=learning_rate)
        ahead.load_state_dict(copy.deepcopy(optimiser.state_dict()))
        ahead.zero_grad()
        mse_loss(virtual(window[None])[0], target).backward()
        ahead.step()
        candidates = reservoir.draw(u[1:], replace=False)
        worst = sorted(candidates, key=lambda pair: -harm(virtual, pair))[:8]
        loss = mse_loss(module(window[None])[0], target)
        if worst:
            older = [mse_loss(module(x[None])[0], y) for x, y in worst]
            loss = loss + weight * sum(older) / len(older)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        reservoir.add((window, target), u[0])

    return _stream(module, rows, size, uniforms, step)
