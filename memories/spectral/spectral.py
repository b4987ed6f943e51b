"""The recommended spectral memory: principal directions of the stream, read through anchors."""

from __future__ import annotations

from bench.registry import memory
from memories.spectral.token_memory import SpectralMemory


@memory("spectral", family="spectral", source="after Marquez 2025")
class Spectral(SpectralMemory):
    """Tokens from the principal directions of the newest 3000 windows, whatever their signs.

    The covariance of one row per window, kept by running sums; components of unit scale, signs
    that go on from refresh to refresh, and a head that depends on the projector onto the leading
    directions alone. In evaluation windows are written in the order of time, each after it was
    forecast.
    """
