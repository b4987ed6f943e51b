"""The laws of online forecasters: what is known at t, and nothing else, makes the forecast at t."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from safetensors.torch import load, save
from torch import Tensor

from bench import seeds
from bench.audit.verdict import Broken, Law, NotClaimed, clone, differing, require_close, same_bits
from bench.lanes import Lanes
from memories.base import Memory, OnlineForecaster, State

CHANNELS, LOOKBACK, HORIZON, PERIOD = 2, 24, 4, 8
TRAINING, VALIDATION, TEST = 60, 10, 30
"""Rows of the stream's parts; the two first are what a forecaster may be fitted on."""
ROWS = TRAINING + VALIDATION + TEST
FIRST = TRAINING - 1
"""First origin, as in the task: that of the first validation row."""
BORDER = TRAINING + VALIDATION - 1
"""First origin of the test."""
MIDDLE, LAST = BORDER + 7, ROWS - HORIZON - 3
CHECKED = (FIRST, BORDER, MIDDLE, BORDER + 13, BORDER + 18, LAST)
"""Origins after which the future is replaced; one that is fitted has seen the rows up to BORDER."""
DICTATED = {
    "channels": CHANNELS,
    "lookback": LOOKBACK,
    "horizon": HORIZON,
    "period": PERIOD,
    "steps": ROWS - FIRST,
    "backbone": "dlinear",
}
"""The backbone is the one tried first."""
LANE_TOLERANCE = 1e-5

Build = Callable[[int, Tensor], OnlineForecaster]
"""Makes the forecaster of a seed for a stream [T, C], fitted on its first rows if it fits."""


def stream(seed: int) -> Tensor:
    """Rows [T, C] of a noisy season."""
    generator = seeds.torch_generator(seed, seeds.TEST, "audit")
    t = torch.arange(ROWS, dtype=torch.float32)[:, None]
    season = torch.sin(2 * torch.pi * (t / PERIOD + torch.rand(1, CHANNELS, generator=generator)))
    return season + 0.3 * torch.randn(ROWS, CHANNELS, generator=generator)


def fits(memory: Memory) -> bool:
    """Whether it trains slow weights before it is led over a stream."""
    return type(memory).fit is not Memory.fit


def fit(memory: OnlineForecaster, seed: int, rows: Tensor) -> None:
    """Train its slow weights as the task would: on training and validation rows, copies of them."""
    given = {"train": rows[:TRAINING].clone(), "validation": rows[TRAINING : BORDER + 1].clone()}
    memory.fit(given, seeds.torch_generator(seed, seeds.META))


class Walk:
    """A forecaster led over a stream, origin by origin, every piece of it a copy.

    Args:
        memory: The forecaster.
        rows: [T, C].
    """

    def __init__(self, memory: OnlineForecaster, rows: Tensor) -> None:
        self.memory, self.rows = memory, rows
        self.state: State = memory.init_state()
        self.t = FIRST - 1
        self.forecasts: list[Tensor] = []
        self.observed: State = self.state

    @torch.no_grad()
    def to(self, last: int) -> Walk:
        """Go on up to and including this origin."""
        while self.t < last:
            self.t += 1
            row, recent, window = pieces(self.rows, self.t)
            self.observed = self.memory.observe(self.state, row, recent)
            forecast, self.state = self.memory.predict(self.observed, window)
            self.forecasts.append(forecast.clone())
        return self


def pieces(rows: Tensor, t: int) -> tuple[Tensor, tuple[Tensor, Tensor], Tensor]:
    """Row t, the newest complete pair and the window, as the task would reveal them."""
    past = t - HORIZON
    recent = (rows[past - LOOKBACK + 1 : past + 1].clone(), rows[past + 1 : t + 1].clone())
    return rows[t].clone(), recent, rows[t - LOOKBACK + 1 : t + 1].clone()


def perturbed(rows: Tensor, t: int) -> Tensor:
    """The same up to row t; every later row replaced by something large, finite, different."""
    return torch.cat([rows[: t + 1], 3 * rows[t + 1 :].flip(0) + 100])


def past_ignores_future(build: Build) -> None:
    """Replace all rows after t: forecasts up to t and the state at t must be bit-identical."""
    rows = stream(0)
    _compare_pasts(build, rows, "replaced", lambda t: perturbed(rows, t))


def past_ignores_missing_future(build: Build) -> None:
    """Delete all rows after t: forecasts up to t must be finite and bit-identical."""
    rows = stream(0)

    def gone(t: int) -> Tensor:
        return torch.cat([rows[: t + 1], torch.full_like(rows[t + 1 :], torch.nan)])

    _compare_pasts(build, rows, "NaN", gone)


def _compare_pasts(build: Build, rows: Tensor, how: str, other: Callable[[int], Tensor]) -> None:
    """Lead one forecaster over the rows and, per checked origin t, another over `other(t)`."""
    memory = build(0, rows)
    expected = Walk(memory, rows)
    for t in CHECKED:
        if t < BORDER and fits(memory):
            continue
        expected.to(t)
        seen = Walk(build(0, other(t)), other(t)).to(t)
        what = f"with rows after t={t} {how}, the"
        pairs = zip(expected.forecasts, seen.forecasts, strict=True)
        for origin, (a, b) in enumerate(pairs, FIRST):
            if not same_bits(a, b):
                raise Broken(f"{what} forecast of origin {origin} changes")
        if changed := differing(expected.observed, seen.observed):
            raise Broken(f"{what} state changes: {', '.join(changed)}")


def uses_its_input(build: Build) -> str:
    """Change row t itself: a forecaster that reads its window answers differently at t."""
    rows = stream(0)
    t = MIDDLE
    expected = Walk(build(0, rows), rows).to(t).forecasts[-1]
    seen = Walk(build(0, perturbed(rows, t - 1)), perturbed(rows, t - 1)).to(t).forecasts[-1]
    if same_bits(expected, seen):
        raise NotClaimed("the forecast does not depend on the newest row")
    return "the newest row matters, so the laws above could fail"


def arguments_untouched(build: Build) -> None:
    """No tensor that is passed in may change, in observe or in predict."""
    rows = stream(0)
    walk = Walk(build(0, rows), rows).to(FIRST + HORIZON)
    for t in (FIRST + HORIZON + 1, FIRST + HORIZON + 2):
        row, recent, window = pieces(rows, t)
        given = [row, *recent, window]
        before, copies = clone(walk.state), [x.clone() for x in given]
        with torch.no_grad():
            observed = walk.memory.observe(walk.state, row, recent)
            kept = clone(observed)
            _, after = walk.memory.predict(observed, window)
        if changed := differing(before, walk.state):
            raise Broken(f"observe changed its input state in place: {', '.join(changed)}")
        if changed := differing(kept, observed):
            raise Broken(f"predict changed its input state in place: {', '.join(changed)}")
        if not all(same_bits(a, b) for a, b in zip(copies, given, strict=True)):
            raise Broken("a row or window was changed in place")
        walk.state = after


def same_seed_same_bits(build: Build) -> None:
    """Two forecasters of one seed on one stream: every bit must agree."""
    rows = stream(0)
    first, second = (Walk(build(0, rows), rows).to(LAST) for _ in range(2))
    _require_same(first, second, "two runs of one seed")


def reset_forgets(build: Build) -> None:
    """Lead a forecaster over one stream, reset it, lead it over another: as a new one would do."""
    rows, other = stream(0), stream(1)
    used = build(0, other)
    Walk(used, rows).to(LAST)
    _require_same(
        Walk(used, other).to(LAST),
        Walk(build(0, other), other).to(LAST),
        "after a reset, a used forecaster and a new one",
    )


def saved_state_is_the_state(build: Build) -> None:
    """Save at t, restore into a new forecaster and go on: nothing may change."""
    rows = stream(0)
    walk = Walk(build(0, rows), rows).to(MIDDLE)
    again = Walk(build(0, rows), rows)
    again.state = load(save({k: v.contiguous() for k, v in walk.state.items()}))
    again.t, again.forecasts = walk.t, [f.clone() for f in walk.forecasts]
    _require_same(walk.to(LAST), again.to(LAST), "a restored run and the original")


def _require_same(first: Walk, second: Walk, what: str) -> None:
    for origin, (a, b) in enumerate(zip(first.forecasts, second.forecasts, strict=True), FIRST):
        if not same_bits(a, b):
            raise Broken(f"{what} differ from origin {origin} on: there is state outside the state")
    if changed := differing(first.state, second.state):
        raise Broken(f"{what} differ in state: {', '.join(changed)}")


def state_keeps_its_shape(build: Build) -> None:
    """Names, shapes and dtypes of the state never change; state and forecasts stay finite."""
    rows = stream(0)
    memory = build(0, rows)
    start = memory.init_state()
    walk = Walk(memory, rows).to(LAST)
    for name in sorted(start.keys() | walk.state.keys()):
        if name not in start or name not in walk.state:
            raise Broken(f"entry '{name}' does not exist from beginning to end")
        old, new = start[name], walk.state[name]
        if (old.shape, old.dtype) != (new.shape, new.dtype):
            raise Broken(f"entry '{name}' changed its shape or dtype")
        if new.is_floating_point() and not bool(new.isfinite().all()):
            raise Broken(f"entry '{name}' is not finite at the end")
    shape = (HORIZON, CHANNELS)
    for origin, forecast in enumerate(walk.forecasts, FIRST):
        if tuple(forecast.shape) != shape:
            raise Broken(f"a forecast has shape {list(forecast.shape)}, expected {list(shape)}")
        if not bool(forecast.isfinite().all()):
            raise Broken(f"the forecast of origin {origin} is not finite")


def reports_are_scalars(build: Build) -> str:
    """What it reports: scalars of the same names at any time; reporting changes nothing."""
    rows = stream(0)
    memory = build(0, rows)
    if type(memory).report is OnlineForecaster.report:
        raise NotClaimed("it reports nothing")
    names = sorted(memory.report(memory.init_state()))
    walk = Walk(memory, rows)
    for t in (FIRST, MIDDLE, LAST):
        before = clone(walk.to(t).state)
        found = memory.report(walk.state)
        if sorted(found) != names:
            raise Broken(f"at t={t} it reports {', '.join(sorted(found))}, at first other names")
        if wide := [name for name, value in found.items() if value.dim()]:
            raise Broken(f"the report {', '.join(wide)} is no scalar")
        if changed := differing(before, walk.state):
            raise Broken(f"reporting changed the state: {', '.join(changed)}")
    return ", ".join(names)


def fitting_is_repeatable(build: Build) -> str:
    """Fit two forecasters of one seed on the same rows: bit-equal, finite, rows untouched.

    Args:
        build: Makes a forecaster that is not fitted yet.
    """
    rows = stream(0)
    first, second = build(0, rows), build(0, rows)
    if not fits(first):
        raise NotClaimed("nothing is fitted")
    start = clone(first.state_dict())
    kept = rows.clone()
    fit(first, 0, rows)
    fit(second, 0, rows)
    learned = first.state_dict()
    if changed := differing(learned, second.state_dict()):
        raise Broken(f"two fits of one seed differ in {', '.join(changed)}")
    if infinite := [n for n, x in learned.items() if not bool(x.isfinite().all())]:
        raise Broken(f"{', '.join(infinite)} is not finite after fitting")
    if not same_bits(rows, kept):
        raise Broken("fit changed the rows it was given")
    return f"{len(differing(start, learned))} entries learned"


def lanes_do_not_meet(build: Build) -> str:
    """A lane alone equals the lane among others, and ignores what the others see."""
    streams = [stream(seed) for seed in range(3)]
    together = _lane_forecasts(build, [0, 1, 2], streams)
    word = "bit-equal"
    for lane in range(3):
        alone = _lane_forecasts(build, [lane], [streams[lane]])[:, 0]
        seen = together[:, lane]
        close = require_close(seen, alone, LANE_TOLERANCE, f"lane {lane} against alone")
        word = close if close != "bit-equal" else word
    disturbed = [streams[0], perturbed(streams[1], FIRST), streams[2]]
    seen = _lane_forecasts(build, [0, 1, 2], disturbed)
    if not (same_bits(seen[:, 0], together[:, 0]) and same_bits(seen[:, 2], together[:, 2])):
        raise Broken("what one lane is given changes another lane's forecasts")
    return word


def _lane_forecasts(build: Build, lane_seeds: Sequence[int], streams: Sequence[Tensor]) -> Tensor:
    lanes = Lanes([build(s, rows) for s, rows in zip(lane_seeds, streams, strict=True)])
    state = lanes.init_state()
    forecasts = []
    for t in range(FIRST, FIRST + 3 * HORIZON):
        cut = [pieces(rows, t) for rows in streams]
        row = torch.stack([c[0] for c in cut])
        recent = (torch.stack([c[1][0] for c in cut]), torch.stack([c[1][1] for c in cut]))
        state = lanes.observe(state, row, recent)
        forecast, state = lanes.predict(state, torch.stack([c[2] for c in cut]), horizon=HORIZON)
        forecasts.append(forecast)
    return torch.stack(forecasts)


LAWS = (
    Law("causality", "rows after t never change a forecast at t", past_ignores_future),
    Law("missing-future", "forecasts need no row after t", past_ignores_missing_future),
    Law("input", "the newest row is used", uses_its_input),
    Law("arguments", "no argument is changed in place", arguments_untouched),
    Law("determinism", "same seed, same bits", same_seed_same_bits),
    Law("reset", "init_state forgets everything", reset_forgets),
    Law("restore", "saving and restoring the state changes nothing", saved_state_is_the_state),
    Law(
        "layout", "the state keeps its shape, state and forecasts are finite", state_keeps_its_shape
    ),
    Law("report", "reports are scalars and change nothing", reports_are_scalars),
    Law("lanes", "a lane alone equals the lane among others", lanes_do_not_meet),
)
FIT = Law("fit", "fitting is repeatable and leaves finite weights", fitting_is_repeatable)
"""Tried on forecasters that are not fitted yet, unlike the others."""
