"""The laws of token memories.

What is absorbed later never changes the tokens of a pass; a batch is its windows, a snapshot its
state.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from safetensors.torch import load, save
from torch import Tensor

from bench import seeds
from bench.audit.verdict import Broken, Law, NotClaimed, clone, differing, require_close, same_bits
from bench.lanes import Lanes
from memories.base import State, TokenMemory

TOKEN_DIM, CHANNELS, LOOKBACK, HORIZON = 8, 2, 6, 4
PASSES = 44
"""Enough for 32 rows, one a pass, to become tokens, and then some."""
CHECKED = (0, 20, 36, PASSES - 2)
"""Passes after which the hidden states are replaced."""
DICTATED = {
    "token_dim": TOKEN_DIM,
    "channels": CHANNELS,
    "lookback": LOOKBACK,
    "horizon": HORIZON,
}
LANE_TOLERANCE = 1e-5
BATCHES = (1, 32, 4, 7)
"""Passes per batch; with the first two there are tokens."""
BATCH_TOLERANCE = 1e-4
"""Sums over a batch are rounded in another order than sums over its windows."""

Build = Callable[[int], TokenMemory]
"""Makes the memory of a seed."""


def passes(seed: int, n: int = PASSES) -> Tensor:
    """Hidden states [passes, L, C, d] of an encoder, each pass with a level of its own."""
    generator = seeds.torch_generator(seed, seeds.TEST, "audit")

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator)

    return normal(n, 1, 1, TOKEN_DIM) + normal(n, LOOKBACK, CHANNELS, TOKEN_DIM)


def perturbed(hidden: Tensor, t: int) -> Tensor:
    """The same up to pass t; every later one replaced by something large, finite, different."""
    return torch.cat([hidden[: t + 1], 3 * hidden[t + 1 :].flip(0) + 100])


def walk(memory: TokenMemory, hidden: Tensor, state: State | None = None) -> tuple[Tensor, State]:
    """Tokens [passes, M, d] read before each pass, and the state after the last."""
    state = memory.init_state() if state is None else state
    read = []
    for given in hidden:
        read.append(memory.tokens(state).clone())
        state = memory.absorb(state, given.clone())
    return torch.stack(read), state


@torch.no_grad()
def reading_changes_nothing(build: Build) -> None:
    """Read twice; state and tokens must stay as they were."""
    memory = build(0)
    _, state = walk(memory, passes(0))
    before = clone(state)
    first = memory.tokens(state).clone()
    if changed := differing(before, state):
        raise Broken(f"tokens changed the state: {', '.join(changed)}")
    if not same_bits(first, memory.tokens(state)):
        raise Broken("reading the same state twice gives different tokens")


@torch.no_grad()
def arguments_untouched(build: Build) -> None:
    """Absorb and read; no tensor that was passed in may change."""
    memory, state = build(0), build(0).init_state()
    for given in passes(0):
        held, hidden = clone(state), given.clone()
        after = memory.absorb(state, given)
        memory.tokens(after)
        if changed := differing(held, state):
            raise Broken(f"absorb changed its input state in place: {', '.join(changed)}")
        if not same_bits(hidden, given):
            raise Broken("the hidden states were changed in place")
        state = after


@torch.no_grad()
def same_seed_same_bits(build: Build) -> None:
    """Two memories of one seed, same passes: every bit must agree."""
    (first, state), (second, again) = (walk(build(0), passes(0)) for _ in range(2))
    if changed := differing(state, again):
        raise Broken(f"two runs of one seed differ in state: {', '.join(changed)}")
    if not same_bits(first, second):
        raise Broken("two runs of one seed give different tokens")


@torch.no_grad()
def reset_forgets(build: Build) -> None:
    """Use a memory, reset it, use it again: it must do as a new one does."""
    used, new = build(0), build(0)
    walk(used, passes(0))
    if changed := differing(used.init_state(), new.init_state()):
        raise Broken(f"init_state remembers earlier passes: {', '.join(changed)}")
    (seen, state), (expected, fresh) = walk(used, passes(1)), walk(new, passes(1))
    if changed := differing(state, fresh):
        raise Broken(f"after a reset the state depends on earlier passes: {', '.join(changed)}")
    if not same_bits(seen, expected):
        raise Broken("after a reset tokens depend on earlier passes: there is state outside state")


@torch.no_grad()
def past_ignores_future(build: Build) -> None:
    """Replace all passes after t: tokens up to t + 1 must be bit-identical.

    All passes lie in one tensor whose views are handed out, so that a memory which looks past its
    own view finds what comes next.
    """
    expected = _in_place(build, passes(0))
    for t in CHECKED:
        seen = _in_place(build, perturbed(passes(0), t))
        for at, (a, b) in enumerate(zip(expected[: t + 2], seen, strict=False)):
            if not same_bits(a, b):
                raise Broken(f"with passes after t={t} replaced, the tokens of pass {at} change")


def _in_place(build: Build, hidden: Tensor) -> list[Tensor]:
    memory = build(0)
    state, read = memory.init_state(), []
    for given in hidden:
        read.append(memory.tokens(state).clone())
        state = memory.absorb(state, given)
    return read


@torch.no_grad()
def state_keeps_its_shape(build: Build) -> None:
    """Names, shapes and dtypes never change; state and tokens stay finite."""
    memory = build(0)
    state = memory.init_state()
    layout = {name: (entry.shape, entry.dtype) for name, entry in state.items()}
    shape = memory.tokens(state).shape
    if len(shape) != 2 or shape[1] != TOKEN_DIM:
        raise Broken(f"tokens have shape {list(shape)}, expected [M, {TOKEN_DIM}]")
    for given in passes(0):
        state = memory.absorb(state, given)
        now = {name: (entry.shape, entry.dtype) for name, entry in state.items()}
        if now != layout:
            changed = sorted(n for n in now.keys() | layout.keys() if now.get(n) != layout.get(n))
            raise Broken(f"absorb changed the layout of {', '.join(changed)}")
        tokens = memory.tokens(state)
        if tokens.shape != shape:
            raise Broken(f"tokens changed their shape from {list(shape)} to {list(tokens.shape)}")
        for name, entry in {**state, "tokens": tokens}.items():
            if entry.is_floating_point() and not bool(entry.isfinite().all()):
                raise Broken(f"'{name}' is not finite")


@torch.no_grad()
def lanes_do_not_meet(build: Build) -> str:
    """A lane alone equals the lane among others, and ignores what the others see."""
    memories = [build(seed) for seed in range(3)]
    hidden = [passes(seed) for seed in range(3)]
    together = _lane_tokens(memories, hidden)
    word = "bit-equal"
    for lane, memory in enumerate(memories):
        alone = _lane_tokens([memory], [hidden[lane]])[0]
        close = require_close(together[lane], alone, LANE_TOLERANCE, f"lane {lane} against alone")
        word = close if close != "bit-equal" else word
        direct, state = walk(memory, hidden[lane])
        direct = torch.cat([direct[1:], memory.tokens(state)[None]])
        require_close(together[lane], direct, LANE_TOLERANCE, f"lane {lane} against a direct call")
    disturbed = _lane_tokens(memories, [hidden[0], perturbed(hidden[1], 0), hidden[2]])
    if not (same_bits(disturbed[0], together[0]) and same_bits(disturbed[2], together[2])):
        raise Broken("what one lane absorbs changes another lane's tokens")
    return word


def _lane_tokens(memories: list[TokenMemory], hidden: list[Tensor]) -> Tensor:
    """Tokens [S, passes, M, d] after each pass of lanes."""
    lanes = Lanes(memories)
    state, read = lanes.init_state(), []
    for given in torch.stack(hidden, 1):
        state = lanes.call("absorb", state, given)
        read.append(lanes.call("tokens", state))
    return torch.stack(read, 1)


@torch.no_grad()
def saved_state_is_the_state(build: Build) -> None:
    """Save, restore into a new memory and go on: nothing may change."""
    memory, restored = build(0), build(0)
    _, state = walk(memory, passes(0))
    kept = load(save({name: entry.contiguous() for name, entry in state.items()}))
    (expected, later), (seen, again) = (
        walk(memory, passes(1), state),
        walk(restored, passes(1), kept),
    )
    if changed := differing(later, again):
        raise Broken(f"after a restore the state goes on differently: {', '.join(changed)}")
    if not same_bits(seen, expected):
        raise Broken("after a restore tokens differ: there is state outside the state")


@torch.no_grad()
def batches_are_their_windows(build: Build) -> str:
    """Absorb batches of several sizes: tokens must be those of absorbing each window in turn."""
    memory = build(0)
    if not memory.composes_batches:
        raise NotClaimed("declared: what a batch leaves is not what its windows leave in turn")
    hidden = passes(0)
    together = alone = memory.init_state()
    word = "bit-equal"
    for batch in torch.split(hidden, list(BATCHES)):
        together = memory.absorb_batch(together, batch.clone())
        for window in batch:
            alone = memory.absorb(alone, window.clone())
        seen, expected = memory.tokens(together), memory.tokens(alone)
        close = require_close(seen, expected, BATCH_TOLERANCE, f"a batch of {len(batch)} passes")
        word = close if close != "bit-equal" else word
    return word


@torch.no_grad()
def snapshots_make_the_tokens(build: Build) -> str:
    """Tokens from snapshots, one or stacked along one or two axes, are those of their states."""
    memory = build(0)
    snapshots, expected = [], []
    state = memory.init_state()
    for given in passes(0):
        before = clone(state)
        snapshots.append(clone(memory.snapshot(state)))
        expected.append(memory.tokens(state).clone())
        single = memory.tokens_from(snapshots[-1])
        if changed := differing(before, state):
            raise Broken(f"a snapshot changed the state: {', '.join(changed)}")
        require_close(single, expected[-1], LANE_TOLERANCE, "tokens from a snapshot")
        state = memory.absorb(state, given)
    stacked = {name: torch.stack([s[name] for s in snapshots]) for name in snapshots[0]}
    wanted = torch.stack(expected)
    squared = {name: _on_two_axes(entry) for name, entry in stacked.items()}
    word = require_close(
        memory.tokens_from(stacked), wanted, LANE_TOLERANCE, "tokens from stacked snapshots"
    )
    require_close(
        memory.tokens_from(squared), _on_two_axes(wanted), LANE_TOLERANCE,
        "tokens from snapshots on two axes",
    )  # fmt: skip
    return word


def _on_two_axes(entry: Tensor) -> Tensor:
    return entry.reshape(2, PASSES // 2, *entry.shape[1:])


@torch.no_grad()
def unused_slots_are_never_read(build: Build) -> None:
    """Fill the unused slots with NaN: tokens and later passes must not notice."""
    memory = build(0)
    if not memory.slot_state:
        raise NotClaimed("no slot_state")
    _, state = walk(memory, passes(0, n=5))
    unused = ~memory.valid(state)
    poisoned = {
        name: torch.where(unused.reshape(-1, *[1] * (entry.dim() - 1)), torch.nan, entry)
        if name in memory.slot_state
        else entry
        for name, entry in state.items()
    }
    expected, _ = walk(memory, passes(1), state)
    seen, _ = walk(memory, passes(1), poisoned)
    if not same_bits(seen, expected):
        raise Broken("tokens depend on slots that hold nothing")


def nothing_is_trained_through_the_state(build: Build) -> None:
    """Absorb hidden states that have a gradient, one and many: what is kept must have none."""
    memory = build(0)
    hidden = passes(0).requires_grad_()
    state = memory.init_state()
    for given in hidden:
        state = memory.absorb(state, given)
    state = memory.absorb_batch(state, hidden)
    if held := [name for name, entry in state.items() if entry.requires_grad]:
        raise Broken(f"the state keeps the graph of earlier passes: {', '.join(held)}")


LAWS = (
    Law("read-purity", "reading tokens changes nothing", reading_changes_nothing),
    Law("arguments", "no argument is changed in place", arguments_untouched),
    Law("determinism", "same seed, same bits", same_seed_same_bits),
    Law("reset", "init_state forgets everything", reset_forgets),
    Law("causality", "passes after t never change the tokens of t + 1", past_ignores_future),
    Law("layout", "the state keeps its shape; all is finite", state_keeps_its_shape),
    Law("lanes", "a lane alone equals the lane among others", lanes_do_not_meet),
    Law("restore", "saving and restoring the state changes nothing", saved_state_is_the_state),
    Law("batches", "a batch leaves what its windows leave in turn", batches_are_their_windows),
    Law("snapshots", "tokens from snapshots are those of their states", snapshots_make_the_tokens),
    Law("unused-slots", "slots that hold nothing are never read", unused_slots_are_never_read),
    Law("detached", "no gradient flows to earlier passes", nothing_is_trained_through_the_state),
)
