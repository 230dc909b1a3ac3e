import re

import pytest
import torch
from torch import nn
from torch.nn import functional

import insarflow
from insarflow.learn.models import build_model, list_models, network_name, spec_of
from insarflow.learn.models.deeplab import DeepLabV3ResNet50
from insarflow.learn.models.fcn import FCNResNet50
from insarflow.learn.models.sizes import sizes_of
from insarflow.learn.weights import load_model
from insarflow.types import Recipe

LARGE = ("deeplabv3-resnet50", "drs-unet", "fcn-resnet50", "segnet", "unet")
ANY_SIZE = ("deeplabv3-resnet50", "fcn-resnet50", "phase-contrast")
NEEDS_THREE = ("context-unet", "phase-contrast")


def kinds(*wanted):
    return [name for name in list_models() if spec_of(name).kind in wanted]


def given(name, channels=3, *, height=None, width=None, batch=2):
    """What a network takes, random."""
    height, width = height or 32, width or 32
    if spec_of(name).kind == "series":
        there = torch.tensor([[True, True, False], [True, True, True]])[:batch]
        return torch.randn(batch, 3, channels, height, width), 100 * torch.rand(batch, 3, 2), there
    return (torch.randn(batch, channels, height, width),)


def count(network):
    return sum(p.numel() for p in network.parameters())


# what was published -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "channels", "expected"),
    [
        ("resunet", 3, 100_849),
        ("small-unet", 3, 100_849),
        ("sepunet", 3, 52_321),
        ("unet", 3, 31_037_633),
        ("segnet", 3, 29_443_587),
        ("fcn-resnet50", 3, 32_946_753),
        ("deeplabv3-resnet50", 3, 39_633_729),
        ("utae", 3, 1_077_699),
        # Layers of widths that the letter does not state, and a network of which no table of layers is published.
        ("nava-cnn", 3, 155_042),
        ("drs-unet", 3, 17_111_745),
    ],
)
def test_number_of_parameters(name, channels, expected):
    with torch.device("meta"):
        network = build_model(name, channels)
    assert {t.device.type for t in network.state_dict().values()} == {"meta"}
    assert count(network) == expected


def test_number_of_parameters_with_an_auxiliary_classifier():
    with torch.device("meta"):
        assert count(FCNResNet50(classes=21, aux=True)) == 35_322_218
        assert count(DeepLabV3ResNet50(classes=21, aux=True)) == 42_004_074
        assert count(FCNResNet50().backbone) == 23_508_032


def multiply_adds(name, side, *, as_thop):
    """Of convolutions; `as_thop` as published: transposed ones at the output's resolution, biases, normalisations."""
    counted = 0

    def look(module, given, out):
        nonlocal counted
        if isinstance(module, nn.BatchNorm2d):
            counted += 2 * out.numel() if as_thop else 0
            return
        # Each pixel of a transposed convolution's input meets the whole kernel; so does each of another's output.
        transposed = isinstance(module, nn.ConvTranspose2d)
        image = given[0] if transposed and not as_thop else out
        counted += image.shape[2:].numel() * module.weight.numel()
        counted += out.numel() if as_thop and module.bias is not None else 0

    with torch.device("meta"):
        network = build_model(name).eval()
        for module in network.modules():
            if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.BatchNorm2d):
                module.register_forward_hook(look)
        network(torch.zeros(1, 3, side, side))
    return counted


@pytest.mark.parametrize(
    ("name", "expected"),
    [("resunet", 18_600), ("small-unet", 18_600), ("sepunet", 12_200), ("unet", 48.17e9 / 256**2)],
)
def test_multiply_adds_per_pixel(name, expected):
    assert multiply_adds(name, 64, as_thop=False) / 64**2 == pytest.approx(expected, rel=5e-3)


@pytest.mark.parametrize(("name", "published"), [("unet", 54.68), ("segnet", 40.10)])
def test_published_multiply_adds(name, published):
    assert round(multiply_adds(name, 256, as_thop=True) / 1e9, 2) == published


def test_size_of_drs_unet_is_near_the_published_one():
    """17.19 million parameters and 19.12 G, of which no table of layers is published."""
    with torch.device("meta"):
        assert count(build_model("drs-unet")) / 1e6 == pytest.approx(17.19, rel=5e-3)
    found = multiply_adds("drs-unet", 256, as_thop=True) / 1e9
    assert found == pytest.approx(19.12, rel=0.01)
    assert found == pytest.approx(19.29, abs=0.005)


# what they do -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", kinds("image"))
@pytest.mark.parametrize("channels", [1, 3, 5])
def test_gives_one_logit_per_pixel(name, channels):
    if name in NEEDS_THREE and channels < 3:
        with pytest.raises(ValueError, match="must be 3 or more, of which the first are coherence, cos, sin"):
            build_model(name, channels)
        return
    stride = spec_of(name).stride
    torch.manual_seed(0)
    with torch.device("meta" if name in LARGE else "cpu"), torch.no_grad():
        network = build_model(name, channels)
        out = network(torch.randn(2, channels, 4 * stride, 5 * stride))
    assert out.shape == (2, 1, 4 * stride, 5 * stride)
    if name not in LARGE:
        assert out.std() > 0
        # Five parameters draw any threshold.
        assert out.min() < 0 < out.max() or name == "phase-contrast"


def test_gives_two_logits_per_clip():
    assert build_model("nava-cnn", 5)(torch.zeros(3, 5, 32, 32)).shape == (3, 2)
    with pytest.raises(
        ValueError, match=r"^height and width must be 32, instead got \(3, 5, 25, 25\): resample the images$"
    ):
        build_model("nava-cnn", 5)(torch.zeros(3, 5, 25, 25))


def test_auxiliary_classifier():
    with torch.device("meta"):
        out = FCNResNet50(classes=21, aux=True)(torch.zeros(2, 3, 100, 100))
    assert {name: tuple(logits.shape) for name, logits in out.items()} == dict.fromkeys(
        ("out", "aux"), (2, 21, 100, 100)
    )


@pytest.mark.parametrize("name", [n for n in kinds("image", "series") if n not in ANY_SIZE])
def test_sizes_off_the_stride_are_refused(name):
    stride = spec_of(name).stride
    shape = given(name, height=2 * stride + 2, width=2 * stride)
    sizes = rf"\(2, (3, )?3, {2 * stride + 2}, {2 * stride}\)"
    with (
        torch.device("meta"),
        pytest.raises(ValueError, match=rf"^height and width must be multiples of {stride}, instead got {sizes}$"),
    ):
        build_model(name)(*shape)


@pytest.mark.parametrize(("name", "least"), [("sepunet", 8), ("utae", 16)])
def test_borders_of_one_cell_cannot_be_reflected(name, least):
    network = build_model(name).eval()
    with torch.no_grad():
        assert network(*given(name, height=least, width=least)).shape == (2, 1, least, least)
        with pytest.raises(ValueError, match=rf"^height and width must be {least} or more, instead got \(2, .*\)$"):
            network(*given(name, height=least, width=least // 2))


@pytest.mark.parametrize("name", ["deeplabv3-resnet50", "drs-unet"])
def test_means_over_the_tile_are_not_normalised_alone(name):
    with torch.device("meta"):
        network = build_model(name)
        with pytest.raises(
            ValueError, match=r"^batch must be 2 or more in training, since \w+ normalises means .* of one"
        ):
            network(torch.zeros(1, 3, 64, 64))
        assert network.eval()(torch.zeros(1, 3, 64, 64)).shape == (1, 1, 64, 64)


@pytest.mark.parametrize("name", ["fcn-resnet50", "deeplabv3-resnet50"])
def test_any_size(name):
    """As those of torchvision: ISSLIDE's patches are 100 pixels wide."""
    with torch.device("meta"):
        assert build_model(name)(torch.zeros(2, 3, 100, 100)).shape == (2, 1, 100, 100)


class Task:
    """A few images, clips or series that one look tells apart."""

    def __init__(self, name):
        torch.manual_seed(1)
        self.kind = spec_of(name).kind
        self.given = given(name)
        image = self.given[0]
        moved = torch.zeros(2, 1, *image.shape[-2:])
        moved[0, :, :16], moved[1, :, :, 16:] = 1, 1
        if self.kind == "clip":
            image[1] += 2
            self.truth = torch.tensor([0, 1])
        else:
            image += 2 * (moved if image.ndim == 4 else moved[:, None])
            self.truth = moved

    def loss(self, network):
        logits = network(*self.given)
        if self.kind == "clip":
            return functional.cross_entropy(logits, self.truth)
        return functional.binary_cross_entropy_with_logits(logits, self.truth)


@pytest.fixture(scope="module", params=list_models())
def learned(request):
    """A name, its network after a few steps on a tiny set, and the losses."""
    task = Task(request.param)
    network = build_model(request.param).train()
    rate, steps = (1e-3, 4) if request.param in LARGE else (1e-2, 12)
    optimiser = torch.optim.Adam(network.parameters(), lr=rate, fused=True)
    losses = []
    for _ in range(steps):
        optimiser.zero_grad(set_to_none=True)
        loss = task.loss(network)
        loss.backward()
        losses.append(loss.item())
        optimiser.step()
    return request.param, network, losses


def test_every_parameter_is_used(learned):
    _, network, _ = learned
    assert all(p.grad is not None and bool(p.grad.isfinite().all()) for p in network.parameters())


def test_overfits_a_tiny_set(learned):
    name, _, losses = learned
    # The baseline's five parameters can learn no shape.
    assert losses[-1] < (1 if name == "phase-contrast" else 0.7) * losses[0]


def test_is_saved_and_loaded_by_its_name(learned, tmp_path):
    name, network, _ = learned
    path = tmp_path / "mine.safetensors"
    card = insarflow.save_model(network, path, channels=("coherence", "cos", "sin"), recipe=Recipe())
    assert (card.architecture, card.stride, card.reach) == (name, spec_of(name).stride, spec_of(name).reach)
    loaded, _ = load_model(path)
    assert type(loaded) is type(network)
    assert not loaded.training
    state = loaded.state_dict()
    assert all(torch.equal(value, state[key]) for key, value in network.state_dict().items())
    path.unlink()


# by name ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("function", [build_model, spec_of])
def test_unknown_name(function):
    with pytest.raises(
        ValueError, match=r"^name must be one of \['context-unet', .*\], instead got name='vgg': to use another"
    ):
        function("vgg")


@pytest.mark.parametrize(("given", "error"), [(0, ValueError), (2.5, TypeError), ("3", TypeError)])
def test_no_number_of_channels(given, error):
    message = f"in_channels must be a whole number of at least 1, instead got in_channels={given!r}"
    with pytest.raises(error, match=re.escape(message)):
        build_model("resunet", given)


def test_names_are_found_without_memory(monkeypatch):
    """Of the package's networks none is drawn, however large."""
    drawn = []
    monkeypatch.setattr(nn.Conv2d, "reset_parameters", lambda self: drawn.append(self.weight.device.type), raising=True)
    for name in list_models():
        with torch.device("meta"):
            network = build_model(name)
        assert network_name(network, 3) == [name]
        sizes_of.cache_clear()
        assert sizes_of(name).largest > 0
    assert {*drawn} == {"meta"}


def test_sizes():
    unet = sizes_of("unet")
    assert unet.largest == 64 * 4
    with torch.device("meta"):
        assert unet.weights == sum(t.nbytes for t in build_model("unet").state_dict().values())
    assert sizes_of("resunet", 5).weights > sizes_of("resunet").weights
    assert sizes_of("nava-cnn").largest == sizes_of("utae").largest / 4 == 16 * 4
