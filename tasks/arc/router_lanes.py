"""Routers of all seeds at once: what they learn, and what they answer as arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from memories.base import Memory, Router
from tasks.arc.routing_events import Counts, Events
from tasks.base import Lanes

Floats = npt.NDArray[np.float64]


class Answers:
    """What the router of one lane says to Q queries.

    Attributes:
        scores: Of labels, [Q, labels].
        routing: Of banks, [Q, banks].
        chosen: Banks that each query is sent to, [Q, banks].
        predicted: Label of highest score, of equal ones the first, [Q].
    """

    def __init__(self, scores: Floats, routing: Floats, chosen: npt.NDArray[np.bool_]) -> None:
        self.scores, self.routing, self.chosen = scores, routing, chosen
        self.predicted: Counts = scores.argmax(axis=1).astype(np.int64)


class RouterLanes:
    """S routers with the state that they have come to.

    Args:
        lanes: The routers.
        device: Where tensors live.

    Attributes:
        finite: Whether all that a lane's router ever answered is finite, [S].
    """

    def __init__(self, lanes: Lanes, device: torch.device) -> None:
        self.lanes, self.device = lanes, device
        self.state = lanes.init_state()
        self.finite = np.ones(lanes.size, dtype=bool)

    @property
    def router(self) -> Router:
        """The router of the first lane, for what is the same in all."""
        router: Router = self.lanes.memory
        return router

    @property
    def trains(self) -> bool:
        """Whether it has weights that `fit` trains."""
        return type(self.router).fit is not Memory.fit

    def reset(self) -> None:
        """Forget all events."""
        self.state = self.lanes.init_state()

    def learn(self, events: Sequence[Events]) -> None:
        """Write events, as many for each lane."""
        self.state = self.lanes.call("learn", self.state, *self._tensors(events))

    def fit_stage(self, events: Sequence[Events], order: Sequence[Counts]) -> None:
        """Train on a stage's events and write them."""
        given = *self._tensors(events), self._stacked(order)
        self.state = self.lanes.call("fit_stage", self.state, *given)

    def route(self, events: Sequence[Events]) -> list[Answers]:
        """What each lane's router says to the codes; the state stays as it is.

        Raises:
            ValueError: If answers do not have the shapes that the protocol asks for.
        """
        z = self._stacked([own.z for own in events])
        scores, routing, _ = self.lanes.call("route", self.state, z, None)
        if routing.shape != (*z.shape[:2], len(self.router.banks)):
            raise ValueError(
                f"route returned a routing of shape {list(routing.shape[1:])}, expected "
                f"{[z.shape[1], len(self.router.banks)]}"
            )
        self.finite &= (scores.isfinite().all(-1).all(-1)).cpu().numpy()
        self.finite &= (routing.isfinite().all(-1).all(-1)).cpu().numpy()
        chosen = self.lanes.call("chosen", routing)
        return [
            Answers(_floats(of_labels), _floats(of_banks), sent.cpu().numpy())
            for of_labels, of_banks, sent in zip(scores, routing, chosen, strict=True)
        ]

    def report(self) -> list[dict[str, float]]:
        """What each lane's router tells of itself."""
        told: Mapping[str, Tensor] = self.lanes.call("report", self.state)
        return [
            {name: float(value[lane]) for name, value in told.items()}
            for lane in range(self.lanes.size)
        ]

    def _tensors(self, events: Sequence[Events]) -> tuple[Tensor, Tensor, Tensor]:
        return (
            self._stacked([own.z for own in events]),
            self._stacked([own.labels for own in events]),
            self._stacked([own.ids for own in events]),
        )

    def _stacked(self, arrays: Sequence[npt.NDArray[np.generic]]) -> Tensor:
        return torch.from_numpy(np.stack(arrays)).to(self.device)


def _floats(values: Tensor) -> Floats:
    return values.nan_to_num(0.0, 0.0, 0.0).double().cpu().numpy()
