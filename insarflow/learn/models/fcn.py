"""The fully convolutional network on a ResNet-50, as torchvision builds it."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn
from torch.nn import functional

from insarflow.learn.models.network import Network, Spec
from insarflow.learn.models.resnet import LAST, MIDDLE, ResNet50


class TrunkNetwork(Network):
    """A ResNet-50 with a classifier at an eighth of the resolution, and perhaps an auxiliary one before its last layer.

    Parameters
    ----------
    in_channels
        Number of input channels.
    classifier
        Gives logits of the last features.
    classes
        Number of logits for each pixel.
    aux
        Whether there is a second classifier.
    """

    def __init__(self, in_channels: int, classifier: nn.Module, *, classes: int, aux: bool) -> None:
        super().__init__()
        self.backbone = ResNet50(in_channels)
        self.classifier = classifier
        self.aux_classifier = FCNHead(MIDDLE, classes) if aux else None

    def forward(self, x: Tensor) -> Tensor | dict[str, Tensor]:
        """Logits ``(batch, class, y, x)`` of float ``(batch, channel, y, x)``, of any size.

        With an auxiliary classifier a mapping: these as ``"out"``, its own as ``"aux"``. Sizes that are no multiples of
        8 are stretched to, as by torchvision.
        """
        features = self.backbone(x)
        out = _resized(self.classifier(features.last), x)
        if self.aux_classifier is None:
            return out
        return {"out": out, "aux": _resized(self.aux_classifier(features.middle), x)}


class FCNResNet50(TrunkNetwork):
    """FCN on a dilated ResNet-50: 32,946,753 parameters with three input channels and one class.

    Parameters
    ----------
    in_channels
        Number of input channels.
    classes
        Number of logits for each pixel.
    aux
        Whether there is an auxiliary classifier, which published weights have: with 21 classes 35,322,218 parameters.

    Notes
    -----
    Keys of the state are those of ``torchvision.models.segmentation.fcn_resnet50``. Logits are made at an eighth of the
    resolution and interpolated linearly. `insarflow.learn.models.pretrained.load_pretrained` loads published weights.

    References
    ----------
    Long, Shelhamer and Darrell (2015), doi:10.1109/CVPR.2015.7298965.
    """

    spec: ClassVar[Spec] = Spec(stride=8, reach=232)
    heads: ClassVar[tuple[str, ...]] = ("classifier.4", "aux_classifier.4")

    def __init__(self, in_channels: int = 3, *, classes: int = 1, aux: bool = False) -> None:
        super().__init__(in_channels, FCNHead(LAST, classes), classes=classes, aux=aux)


class FCNHead(nn.Sequential):
    """A convolution of 3 x 3 to a quarter of the channels, and one of 1 x 1 to the classes."""

    def __init__(self, inside: int, classes: int) -> None:
        width = inside // 4
        super().__init__(
            nn.Conv2d(inside, width, kernel_size=3, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
            nn.Dropout(0.1),
            nn.Conv2d(width, classes, kernel_size=1),
        )


def _resized(logits: Tensor, x: Tensor) -> Tensor:
    return functional.interpolate(logits, size=x.shape[-2:], mode="bilinear", align_corners=False)
