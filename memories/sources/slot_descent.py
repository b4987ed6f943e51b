"""Storage by gradient descent on all slots at once, as the published episodic memory does it.

The slots of a memory are K [M, D], V [M, V], C [M, context_dim] and times T [M]. One event
(q, v, c) is descended on by Adam steps on

    L = mean_d (r_d - v_d)^2 + w_o |G - I|_F^2,   r = p V,   p = softmax over used slots of s,
    s_j = q K_j + 0.5 c C_j + recency f(now, T_j),   G = V_used V_used^T,

of which the second term counts from two used slots on. The gradients are written out, so that
writes need no autograd of their own and stay differentiable: with g = 2 (r - v) / V and
a_j = dL/ds_j = p_j g (V_j - r),

    dL/dV_j = p_j g + 4 w_o [(G - I) V_used]_j     dL/dK_j = a_j q     dL/dC_j = 0.5 a_j c
    dL/dT_j = a_j recency rate f(now, T_j).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from memories.adam import BETAS, EPS
from memories.slots.masked_softmax import masked_softmax
from memories.sources.versions import Version

CONTEXT_WEIGHT = 0.5
"""Share of the contexts' product in a score."""
FACTOR_FLOOR = 1e-8
"""Below this the flipped time factor is cut."""
CONTENT = ("keys", "values", "times", "contexts")
"""What may be descended on, in the order of the columns of the moments."""


def time_factor(now: Tensor, times: Tensor, rate: Tensor, *, flipped: bool) -> Tensor:
    """Factor [M] of slots stamped `times` at the clock `now`.

    exp(-rate (now - T)): above one for a slot whose time lies ahead. Flipped:
    exp(-rate (T - now)) cut to [1e-8, 1], which is one for every time that has passed.
    """
    if not flipped:
        return torch.exp(-rate * (now - times))
    # the exponent is cut, not the result: a long time ago exp overflows
    return torch.exp((rate * (now - times)).clamp(max=0.0)).clamp(min=FACTOR_FLOOR)


@dataclass(frozen=True)
class Scoring:
    """How slots are weighted for queries at one moment.

    Attributes:
        version: Supplies the weights of recency and orthogonality.
        rate: Decay rate of the time factor, 0-d.
        now: The clock, int64 scalar.
        valid: Which slots take part, bool [M].
    """

    version: Version
    rate: Tensor
    now: Tensor
    valid: Tensor

    def bonus(self, times: Tensor) -> Tensor:
        """What recency adds to the scores, [M]."""
        factor = time_factor(self.now, times, self.rate, flipped=self.version.flipped)
        return self.version.recency * factor

    def weights(
        self, slots: Mapping[str, Tensor], bonus: Tensor, queries: Tensor, contexts: Tensor | None
    ) -> Tensor:
        """Weights [Q, M] of the slots for queries [Q, D] and contexts [Q, context_dim]."""
        scores = queries @ slots["keys"].mT + bonus
        if contexts is not None:
            scores = scores + CONTEXT_WEIGHT * (contexts @ slots["contexts"].mT)
        return masked_softmax(scores, self.valid)

    def gradients(
        self, slots: Mapping[str, Tensor], bonus: Tensor, event: Mapping[str, Tensor]
    ) -> dict[str, Tensor]:
        """Gradient of L for one event, for every entry of `slots` that the event moves.

        Args:
            slots: ``keys`` and ``values``; ``times`` if they are trained, ``contexts`` if the
                event has one.
            bonus: [M], from the times as they are.
            event: ``keys`` [1, D], ``values`` [1, V], perhaps ``contexts`` [1, context_dim].
        """
        context = event.get("contexts")
        weights = self.weights(slots, bonus, event["keys"], context)
        recalled = weights @ slots["values"]
        error = 2 * (recalled - event["values"]) / recalled.shape[-1]
        # V - r before the product: with one slot in use it is an exact zero
        by_score = weights.mT * ((slots["values"] - recalled) @ error.mT)
        found = {
            "keys": by_score * event["keys"],
            "values": weights.mT * error + self._towards_orthonormal(slots["values"]),
        }
        if "times" in slots:
            found["times"] = by_score[:, 0] * self.rate * bonus
        if context is not None:
            found["contexts"] = CONTEXT_WEIGHT * by_score * context
        return found

    def _towards_orthonormal(self, values: Tensor) -> Tensor | float:
        """Gradient [M, V] of w_o |G - I|^2; zero for fewer than two used slots."""
        if not self.version.orthogonality:
            return 0.0
        used = torch.where(self.valid[:, None], values, 0.0)
        gradient = 4 * self.version.orthogonality * (used @ (used.mT @ used) - used)
        return torch.where(self.valid.sum() > 1, gradient, 0.0)


@dataclass(frozen=True)
class Moments:
    """Adam's memory of one call: moments [M, W] and the steps taken, one column per coordinate.

    Attributes:
        first: Running mean of the gradients.
        second: Running mean of their squares.
        taken: Steps so far, int64 [W]; contexts are behind where events came without.
    """

    first: Tensor
    second: Tensor
    taken: Tensor

    @classmethod
    def of(cls, state: Mapping[str, Tensor], width: int, context_width: int) -> Moments:
        """What a state holds for its first `width` columns, the last of which are contexts.

        Args:
            state: Entries ``first_moment``, ``second_moment``, ``steps``, ``context_steps``.
            width: Columns that take part in this call.
            context_width: How many of them are contexts, 0 for events without.
        """
        taken = state["steps"].expand(width - context_width)
        if context_width:
            taken = torch.cat([taken, state["context_steps"].expand(context_width)])
        return cls(state["first_moment"][:, :width], state["second_moment"][:, :width], taken)

    def into(self, state: Mapping[str, Tensor], context_width: int) -> dict[str, Tensor]:
        """The entries of the state that these moments replace; other columns stay."""
        width = self.first.shape[1]
        changed = {
            "first_moment": torch.cat([self.first, state["first_moment"][:, width:]], dim=1),
            "second_moment": torch.cat([self.second, state["second_moment"][:, width:]], dim=1),
            "steps": self.taken[0],
        }
        return {**changed, "context_steps": self.taken[-1]} if context_width else changed

    def step(
        self, weights: Tensor, gradient: Tensor, learning_rate: Tensor
    ) -> tuple[Tensor, Moments]:
        """Weights [M, W] and moments after one step (Kingma & Ba 2015).

        `memories.adam.adam_step` with a root that can be differentiated at zero: slots that were
        never moved have no second moment, and writes must stay differentiable.
        """
        taken = self.taken + 1
        first = BETAS[0] * self.first + (1 - BETAS[0]) * gradient
        second = BETAS[1] * self.second + (1 - BETAS[1]) * gradient * gradient
        known = [(1 - beta ** taken.double()).to(weights.dtype) for beta in BETAS]
        squares = second / known[1]
        moved = squares > 0
        root = torch.where(moved, torch.where(moved, squares, 1.0).sqrt(), 0.0)
        update = (first / known[0]) / (root + EPS)
        return weights - learning_rate * update, Moments(first, second, taken)


def columns(parts: Mapping[str, Tensor]) -> Tensor:
    """The entries of `CONTENT` that are there, side by side, [M, W]."""
    present = [parts[name] for name in CONTENT if name in parts]
    return torch.cat([part if part.dim() > 1 else part[:, None] for part in present], dim=-1)


def entries(joint: Tensor, like: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The columns [M, W] cut back into entries shaped as in `like`."""
    names = [name for name in CONTENT if name in like]
    widths = [like[name].shape[-1] if like[name].dim() > 1 else 1 for name in names]
    cut = torch.split(joint, widths, dim=-1)
    return {
        name: part if like[name].dim() > 1 else part[:, 0]
        for name, part in zip(names, cut, strict=True)
    }


def descend(
    slots: Mapping[str, Tensor],
    moments: Moments,
    events: Mapping[str, Tensor],
    scoring: Scoring,
    learning_rate: Tensor,
    *,
    visits: Iterable[int],
    times: Tensor,
) -> tuple[dict[str, Tensor], Moments]:
    """Slots and moments after one step on each visited event.

    Every step moves all slots: nothing ties an event to the slot that was reserved for it.

    Args:
        slots: ``keys``, ``values``; ``times`` if trained, ``contexts`` if the events have some.
        moments: Of the same columns.
        events: ``keys`` [N, D], ``values`` [N, V], perhaps ``contexts`` [N, context_dim].
        scoring: The moment, which stays the same for all steps.
        learning_rate: 0-d.
        visits: Number of the event of each step.
        times: [M], for the bonus where times are not trained.
    """
    fixed = scoring.bonus(times)
    joint = columns(slots)
    for i in visits:
        event = {name: entry[i : i + 1] for name, entry in events.items()}
        now = entries(joint, slots)
        bonus = scoring.bonus(now["times"]) if "times" in now else fixed
        gradient = columns(scoring.gradients(now, bonus, event))
        joint, moments = moments.step(joint, gradient, learning_rate)
    return entries(joint, slots), moments
