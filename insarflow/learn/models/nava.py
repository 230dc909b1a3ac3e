"""The classifier of small images of the Iburi landslides."""

from __future__ import annotations

from typing import ClassVar, Final

from torch import Tensor, nn

from insarflow.learn.models.network import Network, Spec

SIDE: Final = 32
"""Of an image, pixels."""

CLASSES: Final = 2
"""None, and landslide."""


class NavaCNN(Network):
    """Three blocks of convolution and pooling, two dense layers: 155,042 parameters with three input channels.

    Parameters
    ----------
    in_channels
        Number of input channels.

    Notes
    -----
    Convolutions of 3 x 3 with zeros beyond the border, 16, 32 and 64 wide, each with ReLU and 2 x 2 maximum pooling;
    dropout; a dense layer of 128 with ReLU, and one of the two classes, whose softmax are the probabilities. The letter
    changes a network of TensorFlow's tutorial on images and does not say in what; widths and dropout are the
    tutorial's.

    References
    ----------
    Nava, Monserrat and Catani (2021), "Improving landslide detection on SAR data through deep learning", section 3.2.
    """

    spec: ClassVar[Spec] = Spec(stride=SIDE, reach=SIDE - 1, whole_tile=True, kind="clip")

    def __init__(self, in_channels: int = 3) -> None:
        super().__init__()
        self.features = nn.Sequential(*_block(in_channels, 16), *_block(16, 32), *_block(32, 64))
        self.dropout = nn.Dropout(0.2)
        self.dense = nn.Sequential(nn.Flatten(), nn.Linear(64 * (SIDE // 8) ** 2, 128), nn.ReLU(inplace=True))
        self.head = nn.Linear(128, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        """Logits ``(batch, 2)`` of float ``(batch, channel, 32, 32)``; class 1 is a landslide.

        Raises
        ------
        ValueError
            If the images have another size.
        """
        if x.shape[-2:] != (SIDE, SIDE):
            raise ValueError(f"height and width must be {SIDE}, instead got {tuple(x.shape)}: resample the images")
        logits: Tensor = self.head(self.dense(self.dropout(self.features(x))))
        return logits


def _block(inside: int, outside: int) -> tuple[nn.Module, ...]:
    return nn.Conv2d(inside, outside, kernel_size=3, padding=1), nn.ReLU(inplace=True), nn.MaxPool2d(2)
