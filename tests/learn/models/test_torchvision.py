"""Keys of the state of FCN and DeepLabV3, written down as a rule: those of torchvision, whose weights thus fit."""

import pytest
import torch

from insarflow.learn.models.deeplab import DeepLabV3ResNet50
from insarflow.learn.models.fcn import FCNResNet50

BLOCKS = {1: 3, 2: 4, 3: 6, 4: 3}


def normalisation(name, width):
    yield from ((f"{name}.{part}", (width,)) for part in ("weight", "bias", "running_mean", "running_var"))
    yield f"{name}.num_batches_tracked", ()


def convolution(name, outside, inside, size):
    yield f"{name}.weight", (outside, inside, size, size)


def resnet(channels):
    yield from convolution("conv1", 64, channels, 7)
    yield from normalisation("bn1", 64)
    inside = 64
    for k, blocks in BLOCKS.items():
        width = 32 * 2**k
        for i in range(blocks):
            at = f"layer{k}.{i}"
            for j, (outside, given, size) in enumerate(
                ((width, inside, 1), (width, width, 3), (4 * width, width, 1)), start=1
            ):
                yield from convolution(f"{at}.conv{j}", outside, given, size)
                yield from normalisation(f"{at}.bn{j}", outside)
            if i == 0:
                yield from convolution(f"{at}.downsample.0", 4 * width, inside, 1)
                yield from normalisation(f"{at}.downsample.1", 4 * width)
            inside = 4 * width


def head(name, inside, classes):
    yield from convolution(f"{name}.0", inside // 4, inside, 3)
    yield from normalisation(f"{name}.1", inside // 4)
    yield from convolution(f"{name}.4", classes, inside // 4, 1)
    yield f"{name}.4.bias", (classes,)


def pyramid(classes):
    for k, (first, size) in enumerate(((0, 1), (0, 3), (0, 3), (0, 3), (1, 1))):
        yield from convolution(f"classifier.0.convs.{k}.{first}", 256, 2048, size)
        yield from normalisation(f"classifier.0.convs.{k}.{first + 1}", 256)
    yield from convolution("classifier.0.project.0", 256, 1280, 1)
    yield from normalisation("classifier.0.project.1", 256)
    yield from convolution("classifier.1", 256, 256, 3)
    yield from normalisation("classifier.2", 256)
    yield from convolution("classifier.4", classes, 256, 1)
    yield "classifier.4.bias", (classes,)


@pytest.mark.parametrize(("channels", "classes", "aux"), [(3, 21, True), (5, 1, False)])
@pytest.mark.parametrize(
    ("network", "classifier"),
    [(FCNResNet50, lambda classes: head("classifier", 2048, classes)), (DeepLabV3ResNet50, pyramid)],
)
def test_keys(network, classifier, channels, classes, aux):
    expected = [(f"backbone.{key}", shape) for key, shape in resnet(channels)]
    expected += classifier(classes)
    expected += head("aux_classifier", 1024, classes) if aux else []
    with torch.device("meta"):
        state = network(channels, classes=classes, aux=aux).state_dict()
    assert [(key, tuple(value.shape)) for key, value in state.items()] == expected
