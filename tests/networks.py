"""Small networks of every kind, with random weights that matter: three channels in, logits ``(batch, 1, y, x)`` out."""

from __future__ import annotations

from functools import partial

import torch
from torch import nn
from torch.nn import functional

from insarflow.learn.models.whole import SpatialMean


class UNet(nn.Module):
    """Three levels of 8, 12 and 16 channels, stride 4; `gate(width)` follows each level."""

    def __init__(self, gate):
        super().__init__()
        self.high = nn.Sequential(conv(3, 8), nn.BatchNorm2d(8), nn.ReLU(), gate(8))
        self.middle = nn.Sequential(conv(8, 12), nn.ReLU(), gate(12))
        self.low = nn.Sequential(conv(12, 16), nn.ReLU(), gate(16))
        self.up_middle = nn.Sequential(conv(28, 12), nn.ReLU())
        self.up_high = nn.Sequential(conv(20, 8), nn.ReLU())
        self.head = nn.Conv2d(8, 1, 1)

    def forward(self, x):
        high = self.high(x)
        middle = self.middle(functional.max_pool2d(high, 2))
        low = self.low(functional.max_pool2d(middle, 2))
        middle = self.up_middle(torch.cat((middle, functional.interpolate(low, scale_factor=2)), 1))
        return self.head(self.up_high(torch.cat((high, functional.interpolate(middle, scale_factor=2)), 1)))


class SqueezeExcite(nn.Module):
    """Each channel times a gate that its mean over the tile decides."""

    def __init__(self, width):
        super().__init__()
        self.gate = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Conv2d(width, 4, 1), nn.ReLU(), nn.Conv2d(4, width, 1), nn.Sigmoid()
        )

    def forward(self, x):
        return x * self.gate(x)


class FlatSqueezeExcite(SqueezeExcite):
    """The same with linear layers, and the maximum beside the mean."""

    def __init__(self, width):
        super().__init__(width)
        self.gate = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(width, 4, bias=False),
            nn.BatchNorm1d(4),
            nn.ReLU(),
            nn.Linear(4, width),
            nn.Unflatten(1, (width, 1, 1)),
            nn.Sigmoid(),
        )
        self.strongest = nn.AdaptiveMaxPool2d((1, 1))

    def forward(self, x):
        return super().forward(x) / (1 + self.strongest(x).abs())


class FunctionalSqueezeExcite(SqueezeExcite):
    """The same with a mean that is no module, so that nothing can be exchanged."""

    def forward(self, x):
        return x * self.gate[1:](x.mean((2, 3), keepdim=True))


class Shrinkage(nn.Module):
    """Residual shrinkage block: channel-wise soft thresholds that a mean over the tile decides."""

    def __init__(self, inside, outside, stride=1):
        super().__init__()
        self.layers = nn.Sequential(
            conv(inside, outside, stride=stride), nn.BatchNorm2d(outside), nn.ReLU(), conv(outside, outside)
        )
        self.shortcut = nn.Conv2d(inside, outside, 1, stride=stride)
        self.mean = SpatialMean()
        self.scale = nn.Sequential(
            nn.Conv2d(outside, outside, 1), nn.BatchNorm2d(outside), nn.ReLU(), nn.Conv2d(outside, outside, 1)
        )

    def forward(self, x):
        features = self.layers(x)
        mean = self.mean(features.abs())
        threshold = mean * torch.sigmoid(self.scale(mean))
        return features.sign() * functional.relu(features.abs() - threshold) + self.shortcut(x)


class ShrinkageNet(nn.Module):
    """Residual shrinkage blocks at strides 1, 2 and 4, and bilinear upsampling."""

    def __init__(self):
        super().__init__()
        self.blocks = nn.Sequential(Shrinkage(3, 8), Shrinkage(8, 8, 2), Shrinkage(8, 8, 2))
        self.head = conv(8, 1)

    def forward(self, x):
        out = functional.interpolate(self.blocks(x), scale_factor=4, mode="bilinear", align_corners=False)
        return self.head(out)


class AsppNet(nn.Module):
    """Strided trunk, dilated branches beside a mean over the tile, as in DeepLabV3."""

    def __init__(self):
        super().__init__()
        self.trunk = nn.Sequential(conv(3, 8, stride=2), nn.ReLU(), conv(8, 8, stride=2), nn.ReLU())
        self.near = nn.Conv2d(8, 8, 3, padding=2, dilation=2)
        self.far = nn.Conv2d(8, 8, 3, padding=4, dilation=4)
        self.pooling = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(8, 8, 1, bias=False), nn.BatchNorm2d(8))
        self.head = nn.Conv2d(24, 1, 1)

    def forward(self, x):
        features = self.trunk(x)
        size = features.shape[-2:]
        pooled = functional.interpolate(self.pooling(features), size=size, mode="bilinear", align_corners=False)
        logits = self.head(functional.relu(torch.cat((self.near(features), self.far(features), pooled), 1)))
        return functional.interpolate(logits, size=x.shape[-2:], mode="bilinear", align_corners=False)


class AttentionNet(nn.Module):
    """Every cell at stride 4 attends to every other."""

    def __init__(self):
        super().__init__()
        self.trunk = nn.Sequential(conv(3, 8, stride=2), nn.ReLU(), conv(8, 8, stride=2))
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.head = nn.Conv2d(8, 1, 1)

    def forward(self, x):
        features = self.trunk(x)
        tokens = features.flatten(2).mT
        mixed, _ = self.attention(tokens, tokens, tokens, need_weights=False)
        features = features + mixed.mT.unflatten(2, features.shape[2:])
        return functional.interpolate(self.head(features), scale_factor=4)


class NormNet(nn.Module):
    """A normalisation after each convolution; stride 2."""

    def __init__(self, norm):
        super().__init__()
        self.high = nn.Sequential(conv(3, 8), norm(8), nn.ReLU())
        self.low = nn.Sequential(
            nn.Conv2d(8, 8, 2, stride=2), norm(8), nn.ReLU(), nn.ConvTranspose2d(8, 8, 2, stride=2)
        )
        self.head = conv(16, 1)

    def forward(self, x):
        high = self.high(x)
        return self.head(torch.cat((high, self.low(high)), 1))


def conv(inside, outside, *, stride=1):
    """3 x 3 with zeros beyond the border; with a stride its output has ``size / stride`` cells."""
    return nn.Conv2d(inside, outside, 3, padding=1, stride=stride)


def pooled_convolutions(stride):
    """Convolutions and one pooling: local."""
    return nn.Sequential(
        conv(3, 8), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(stride), conv(8, 8), nn.ReLU(),
        nn.Upsample(scale_factor=stride), conv(8, 1),
    )  # fmt: skip


def alive(build, seed=0, *, size=64):
    """Build a network in evaluation mode whose layers all matter: logits of noise have a standard deviation of 1."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = build()
        with torch.no_grad():
            for layer in network.modules():
                if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
                    layer.weight.mul_(2.0)
                elif isinstance(layer, nn.MultiheadAttention):
                    layer.in_proj_weight.mul_(2.0)
                elif getattr(layer, "weight", None) is not None:  # normalisations
                    layer.weight.uniform_(0.5, 1.5)
                    layer.bias.normal_(0.0, 0.3)
                if getattr(layer, "running_mean", None) is not None:
                    layer.running_mean.normal_(0.0, 0.3)
                    layer.running_var.uniform_(0.5, 2.0)
            network.eval()
            head = [layer for layer in network.modules() if isinstance(layer, nn.Conv2d)][-1]
            head.weight.div_(network(torch.randn(1, 3, size, size)).std())
    return network


_BUILDERS = {
    "conv_2": partial(pooled_convolutions, 2),
    "conv_4": partial(pooled_convolutions, 4),
    "se_unet": lambda: UNet(SqueezeExcite),
    "flat_se_unet": lambda: UNet(FlatSqueezeExcite),
    "shrinkage": ShrinkageNet,
    "aspp": AsppNet,
    "group_norm": lambda: NormNet(partial(nn.GroupNorm, 4)),
    "instance_norm": lambda: NormNet(partial(nn.InstanceNorm2d, affine=True)),
    "layer_norm": lambda: NormNet(partial(nn.GroupNorm, 1)),  # over channel, y and x of a tile of any size
    "self_attention": AttentionNet,
    "functional_mean": lambda: UNet(FunctionalSqueezeExcite),
}

ZOO = {name: partial(alive, build) for name, build in _BUILDERS.items()}
"""``name -> factory(seed)``."""

STRIDES = dict.fromkeys(ZOO, 4) | dict.fromkeys(("conv_2", "group_norm", "instance_norm", "layer_norm"), 2)
"""Total stride of each; inputs are multiples of it."""

LOCAL = ("conv_2", "conv_4")
"""Those without any layer that looks at the whole tile."""

GLOBAL = ("self_attention", "functional_mean")
"""Those that look at the whole tile and cannot be made local; the rest look at it, and can."""
