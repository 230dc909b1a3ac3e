"""Large networks made thin: what they look at depends on how layers hang together and not on how wide these are."""

import torch
from torch import nn


def thinned(network: nn.Module, by: int) -> nn.Module:
    """The same layers with as many channels divided by `by`, where these are multiples of it; drawn anew."""
    for parent in list(network.modules()):
        for name, layer in parent.named_children():
            setattr(parent, name, _thin(layer, by))
    return network


def _thin(layer: nn.Module, by: int) -> nn.Module:
    def thin(width: int) -> int:
        return width if width % by else width // by

    match layer:
        case nn.ConvTranspose2d():
            return nn.ConvTranspose2d(
                thin(layer.in_channels), thin(layer.out_channels), layer.kernel_size, layer.stride, layer.padding,
                layer.output_padding, bias=layer.bias is not None,
            )  # fmt: skip
        case nn.Conv2d():
            return nn.Conv2d(
                thin(layer.in_channels), thin(layer.out_channels), layer.kernel_size, layer.stride, layer.padding,
                layer.dilation, bias=layer.bias is not None, padding_mode=layer.padding_mode,
            )  # fmt: skip
        case nn.BatchNorm2d():
            return nn.BatchNorm2d(thin(layer.num_features))
        case nn.GroupNorm():
            return nn.GroupNorm(layer.num_groups, thin(layer.num_channels))
    return layer
