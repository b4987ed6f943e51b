"""The laws of routers that are trained: once before the first event, or in stages."""

from __future__ import annotations

import torch

from bench import seeds
from bench.audit.labelled_events import (
    Build,
    Events,
    fit,
    fits,
    lane_answers,
    require_layout,
    steps,
)
from bench.audit.verdict import Broken, Law, NotClaimed, clone, differing, require_close, same_bits

STAGE_TOLERANCE = 1e-4
"""Relative, float32: rounding is carried through a training."""


def fitting_is_repeatable(build: Build) -> str:
    """Fit two routers of one seed on the same events: bit-equal, finite, events untouched.

    Args:
        build: Makes a router that is not fitted yet.
    """
    first, second = build(0), build(0)
    if not fits(first):
        raise NotClaimed("nothing is fitted")
    start, train = clone(first.state_dict()), Events.draw(0).training()
    kept = clone(train)
    first.fit(train, seeds.torch_generator(0, seeds.META))
    if changed := differing(train, kept):
        raise Broken(f"fit changed what it was given: {', '.join(changed)}")
    fit(second, 0)
    learned = first.state_dict()
    if changed := differing(learned, second.state_dict()):
        raise Broken(f"two fits of one seed differ in {', '.join(changed)}")
    if infinite := [n for n, x in learned.items() if not bool(x.isfinite().all())]:
        raise Broken(f"{', '.join(infinite)} is not finite after fitting")
    return f"{len(differing(start, learned))} entries learned"


@torch.no_grad()
def stages_are_learned_alike(build: Build) -> str:
    """Train in two stages: repeatable, arguments untouched, the layout kept, lanes apart.

    Args:
        build: Makes a router that is built to be trained in stages.
    """
    router, events = build(0), [Events.draw(0), Events.draw(1)]
    state = router.init_state()
    layout = {name: (entry.shape, entry.dtype) for name, entry in state.items()}
    for stage in events:
        given, kept = clone(state), [one.clone() for one in stage.tensors()]
        after = router.fit_stage(state, *stage.tensors()[:3], steps())
        if changed := differing(given, state):
            raise Broken(f"fit_stage changed its input state in place: {', '.join(changed)}")
        if not all(same_bits(*pair) for pair in zip(kept, stage.tensors(), strict=True)):
            raise Broken("fit_stage changed the events it was given")
        again = build(0).fit_stage(clone(given), *stage.tensors()[:3], steps())
        if changed := differing(after, again):
            raise Broken(f"two trainings of one stage differ in {', '.join(changed)}")
        require_layout("fit_stage", after, layout)
        state = after
    routers = [build(0), build(1)]
    together = lane_answers(routers, events, "fit_stage")
    alone = lane_answers(routers[:1], events[:1], "fit_stage")
    return require_close(together[:1], alone, STAGE_TOLERANCE, "lane 0 against alone")


FIT = Law("fit", "fitting is repeatable and leaves finite weights", fitting_is_repeatable)
"""Tried on routers that are not fitted yet, unlike the others."""
STAGES = Law("stages", "training in stages is repeatable and pure", stages_are_learned_alike)
"""Tried on routers that are built to be trained in stages."""
