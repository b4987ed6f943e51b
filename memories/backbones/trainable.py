"""What no backbone may hold: layers that draw or remember while they are trained."""

from __future__ import annotations

from torch import nn

from memories.backbones.base import Backbone
from memories.base import InvalidParameter

_DROPOUTS = (
    nn.Dropout,
    nn.Dropout1d,
    nn.Dropout2d,
    nn.Dropout3d,
    nn.AlphaDropout,
    nn.FeatureAlphaDropout,
)
_BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)
_INSTANCE_NORMS = (nn.InstanceNorm1d, nn.InstanceNorm2d, nn.InstanceNorm3d)


def require_trainable(name: str, module: nn.Module) -> None:
    """Nothing, if a backbone can be trained as one of many lanes.

    Args:
        name: Registry name.
        module: The backbone.

    Raises:
        InvalidParameter: If a layer of it draws from torch's global generator or changes its
            buffers in training: lanes would share the draws, and a rerun would not repeat them.
            Or if a submodule is called `head`, which the attribute of that name would hide.
    """
    if isinstance(module, Backbone) and "head" in dict(module.named_children()):
        message = f"'{name}' has a submodule called 'head', which Backbone.head hides"
        help = "call it something else, say projection, and declare head = 'projection'"
        raise InvalidParameter("backbone", message, help)
    for path, layer in module.named_modules():
        if found := _fault(layer):
            message = f"'{name}' holds {type(layer).__name__} at '{path}', which {found}"
            raise InvalidParameter("backbone", message, _remedy(module))


def _fault(layer: nn.Module) -> str:
    """What a layer does in training that no lane may do; empty if nothing."""
    if isinstance(layer, _DROPOUTS) and layer.p > 0:
        return "draws from torch's global generator"
    if isinstance(layer, nn.MultiheadAttention | nn.RNNBase) and layer.dropout > 0:
        return "drops with torch's global generator"
    if isinstance(layer, _BATCH_NORMS) or (
        isinstance(layer, _INSTANCE_NORMS) and layer.track_running_stats
    ):
        return "changes its statistics in place"
    return ""


def _remedy(module: nn.Module) -> str:
    does = "drop through Training.drop and normalise with memories.backbones.layers.BatchNorm"
    if isinstance(module, Backbone):
        return does
    return f"subclass memories.backbones.base.Backbone, {does}; or leave the layer out"
