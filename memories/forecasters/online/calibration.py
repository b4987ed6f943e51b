"""Gated linear corrections of a window or a forecast, as numbers in one flat vector."""

from __future__ import annotations

import torch
from torch import Tensor


class GatedCalibration:
    """Corrects rows by a gated linear map of themselves, along time, channel by channel.

        u'[:, c] = u[:, c] + tanh(g_c) (W_c^T u[:, c] + b_c)        (Kim et al. 2025)

    It holds no tensors: its weights are a flat vector of W [K, n, n], b [K, n] and g [K] in turn,
    K the number of maps.

    Args:
        rows: n, length of what is corrected.
        maps: C for a map of each channel's own, 1 for one that all channels share.
    """

    def __init__(self, rows: int, maps: int) -> None:
        self.rows, self.maps = rows, maps
        self._cuts = [maps * rows * rows, maps * rows, maps]
        self.size = sum(self._cuts)

    def start(self, gate: Tensor) -> Tensor:
        """Weights that correct nothing [size]: zeros, and every g at the scalar `gate`."""
        return torch.cat([gate.new_zeros(self.size - self.maps), gate.expand(self.maps)])

    def apply(self, weights: Tensor, u: Tensor) -> Tensor:
        """Corrected rows [n, C] of u [n, C] with weights [size]."""
        matrix, bias, gate = torch.split(weights, self._cuts)
        columns = u.transpose(0, 1).reshape(self.maps, -1, self.rows)
        mapped = columns @ matrix.view(self.maps, self.rows, self.rows)
        mapped = (mapped + bias.view(self.maps, 1, self.rows)) * gate.tanh().view(-1, 1, 1)
        return u + mapped.reshape(-1, self.rows).transpose(0, 1)
