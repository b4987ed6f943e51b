"""PROCEED as published: the backbone is trained further together with its generator."""

from __future__ import annotations

from typing import ClassVar

from bench.registry import memory
from memories.forecasters.online.proceed import Proceed


@memory("proceed-full", family="online-learning", source="Zhao & Shen 2025")
class ProceedFull(Proceed):
    """`proceed` whose `fit` trains a copy of the backbone together with the generator.

    The published recipe. The backbone has then had more training than that of its peers, with its
    own dropout and batch statistics: compare it with `frozen` knowing that. Everything else, the
    early stopping without adaptation included, is as in `proceed`.
    """

    joint: ClassVar[bool] = True
