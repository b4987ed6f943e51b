"""How much a training pass keeps for its backward pass, and how much one call may keep."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from memories.backbones.base import Backbone, Training

GRAPH_BYTES = 128 * 2**20
"""What one call may keep for its backward pass; more lanes than fit are done in chunks.

Milliseconds per lane of one step (forward and backward, batch 32, seven channels, one thread):

    backbone                     graph      single, no vmap   2     4     8    20 lanes
    DLinear, L=96                0.2 MiB    0.6               0.6   0.5         0.4
    PatchTST d=16, L=96           15 MiB     34                34    34          30
    PatchTST d=16, L=336          65 MiB     97               102   117   176
    PatchTST d=512, L=96         114 MiB    639               660   737

Stacking saves the overhead of small operations. Large ones gain nothing, and lose once their
temporaries outgrow the allocator's pool and are paged in anew at every step.
"""


def graph_bytes(module: nn.Module, windows: Tensor) -> int:
    """Bytes that a training pass of one lane over windows [B, L, C] keeps for its backward pass."""
    storages: dict[int, int] = {}
    alive: list[Tensor] = []  # a freed storage's address would be given to the next

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        storages[storage.data_ptr()] = storage.nbytes()
        alive.append(tensor)
        return tensor

    with torch.enable_grad(), torch.autograd.graph.saved_tensors_hooks(pack, lambda saved: saved):
        if isinstance(module, Backbone):
            size = module.noise_size(windows)
            module(windows, Training(torch.ones(size, device=windows.device)))
        else:
            module(windows)
    return sum(storages.values())
