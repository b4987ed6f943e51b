"""Online gradient descent on a backbone's last linear map alone."""

from __future__ import annotations

from typing import Annotated

from annotated_types import Ge
from torch import nn

from bench.registry import memory
from memories.forecasters.online.ogd import OGD


@memory("ogd-head", family="online-learning", source="Zhao & Shen 2025 (delayed form)")
class OGDHead(OGD):
    """`ogd` with only the backbone's head learning: cheap, and slow to forget the rest.

    Args:
        backbone: Pre-trained module, [B, L, C] to [B, H, C], that declares its `head`.
        learning_rate: Adam's step size; choose it on the validation stream with `tune`.

    Raises:
        Unsuitable: If the backbone declares no head: it would equal `ogd`.
    """

    def __init__(
        self, backbone: nn.Module, *, learning_rate: Annotated[float, Ge(0)] = 1e-5
    ) -> None:
        super().__init__(backbone, scope="head", learning_rate=learning_rate)
