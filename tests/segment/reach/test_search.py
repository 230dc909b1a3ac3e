import copy
import re
from functools import cache

import parts
import pytest
import torch
from thin import thinned
from torch import nn
from torch.nn import functional

from insarflow.errors import ModelError
from insarflow.learn.models import build_model, list_models, spec_of
from insarflow.segment.reach import Reach, reach
from insarflow.segment.reach import search as module
from insarflow.segment.reach.calls import Calls
from insarflow.segment.reach.redraw import redraw

ZOO = parts.zoo()
WHOLE_TILE = parts.whole_tile_zoo()


@cache
def reach_of(name):
    return reach(name)


def test_resunet():
    assert reach(build_model("resunet")) == reach_of("resunet") == Reach(4, 37, 37)


def test_unet():
    found = reach_of("unet")
    # Twice 2 convolutions on each of four levels, 2 on the lowest: 92 pixels; and up to 15 to the end of the cell.
    assert found == Reach(16, 92 + 15, 92 + 15)
    assert found.halo == 112


IMAGE = [name for name in list_models() if spec_of(name).kind == "image"]
LARGE = ("deeplabv3-resnet50", "drs-unet", "fcn-resnet50", "segnet")


@pytest.mark.parametrize("name", [name for name in IMAGE if name not in LARGE])
def test_networks_state_what_is_found(name):
    spec, found = spec_of(name), reach_of(name)
    assert (spec.stride, spec.reach, spec.whole_tile) == (found.stride, max(found.left, found.right), False)


@pytest.mark.parametrize(("name", "left", "right"), [("segnet", 211, 211), ("fcn-resnet50", 232, 225)])
def test_large_networks_state_what_is_found(name, left, right):
    """Those that look at the whole tile: in ``segment/test_modules.py``."""
    spec = spec_of(name)
    assert reach(thinned(build_model(name), 64)) == Reach(spec.stride, left, right)
    assert (spec.reach, spec.whole_tile) == (max(left, right), False)


def test_normalisations_of_one_column():
    """Torch gives wrong gradients of some; so no strip is a single cell wide at the lowest resolution."""
    layers = nn.Sequential(
        nn.Conv2d(1, 2, 3, 2, 1), nn.Conv2d(2, 2, 3, 2, 1), nn.Conv2d(2, 2, 3, 2, 1), nn.Conv2d(2, 2, 3, 2, 1),
        nn.BatchNorm2d(2), nn.ReLU(), nn.Conv2d(2, 2, 3, padding=1), nn.BatchNorm2d(2), nn.ReLU(),
        nn.Upsample(scale_factor=16), nn.Conv2d(2, 1, 1),
    )  # fmt: skip
    assert reach(layers) == Reach(16, 16 + 15 + 15, 16 + 15)


def test_trained_models(model):
    assert reach(model) == Reach(4, 37, 37)
    assert reach("default") == reach("context-unet")


@pytest.mark.parametrize("name", ZOO)
def test_agrees_with_changing_every_pixel(name):
    network, stride = ZOO[name]
    found = reach(network)
    slow = parts.slow_reach(copy.deepcopy(network).double().eval(), stride, 48 if 48 % stride == 0 else 50)
    assert (found.stride, found.left, found.right, found.whole_tile) == (stride, *slow, ())


def test_zoo_is_not_symmetric():
    assert reach(ZOO["asymmetric padding"][0]) == Reach(1, 4, 0)
    assert reach(ZOO["strided, transposed"][0]) == Reach(2, 5, 4)


@pytest.mark.parametrize("name", WHOLE_TILE)
def test_whole_tile_is_found_and_named(name):
    part, *called = WHOLE_TILE[name]
    # What remains are the two convolutions around the part.
    assert reach(parts.Around(part)) == Reach(1, 2, 2, tuple(called))


def test_rest_keeps_the_stride_and_what_lies_beside():
    pools = nn.Sequential(nn.MaxPool2d(2), parts.Squeeze(), parts.interpolated(2, "nearest"))
    assert reach(parts.Around(pools)) == Reach(2, 3, 3, ("part.1.pool (AdaptiveAvgPool2d)",))


def test_the_root_is_named_by_its_class():
    class Global(nn.Conv2d):
        def forward(self, x):
            return super().forward(x) * x.mean()

    assert reach(Global(1, 1, 3, padding=1)).whole_tile == ("Global (Tensor.mean over y, x)",)


def test_what_does_not_matter_is_not_named():
    class Sides(nn.Conv2d):
        def forward(self, x):
            return {"out": super().forward(x), "class": x.mean((2, 3)), "aux": x}

    assert reach(Sides(3, 2, 5, padding=2)) == Reach(1, 2, 2)


def test_zero_weights_hide_nothing():
    network = parts.Around(nn.BatchNorm2d(2))
    for parameter in network.parameters():
        nn.init.zeros_(parameter)
    assert reach(network) == Reach(1, 2, 2)


def test_classes_whose_sum_is_one():
    assert reach(nn.Sequential(nn.Conv2d(2, 3, 3, padding=1), nn.Softmax(1))) == Reach(1, 1, 1)


def test_places_of_maxima_are_not_left_to_luck():
    found = reach(parts.SmallSegNet(places=True))
    assert found == reach(parts.SmallSegNet(places=False))
    assert found.stride == 16


def test_channels_that_no_convolution_tells():
    network = parts.Apply(lambda x: functional.avg_pool2d(x[:, 3:], 5, 1, 2))
    with pytest.raises(
        ModelError, match=r"^Apply holds no Conv2d that tells how many channels its input has: pass cha"
    ):
        reach(network)
    assert reach(network, channels=4) == Reach(1, 2, 2)


@pytest.mark.parametrize(("left", "right", "halo"), [(37, 37, 40), (36, 12, 36), (3, 37, 40), (0, 0, 0)])
def test_halo(left, right, halo):
    assert Reach(4, left, right).halo == halo


def test_network_is_left_alone():
    network = parts.Around(nn.Sequential(nn.BatchNorm2d(2), parts.Squeeze())).train()
    network.first.weight.grad = torch.ones_like(network.first.weight)
    before, random = {k: v.clone() for k, v in network.state_dict().items()}, torch.get_rng_state()
    reach(network)
    assert all(m.training and not m._forward_hooks and not m._forward_pre_hooks for m in network.modules())
    assert all(p.requires_grad and p.dtype == torch.float32 for p in network.parameters())
    assert all(torch.equal(v, before[k]) for k, v in network.state_dict().items())
    assert torch.equal(network.first.weight.grad, torch.ones_like(network.first.weight))
    assert network.last.weight.grad is None
    assert torch.equal(torch.get_rng_state(), random)


@pytest.mark.parametrize("signed", [True, False])
def test_convolutions_taken_apart_are_the_same(signed):
    network = nn.Sequential(
        nn.Conv2d(3, 4, (3, 5), padding=1, stride=2, dilation=(2, 1)),
        nn.Conv2d(4, 4, 3, groups=2),
        nn.ConvTranspose2d(4, 2, 4, stride=3, padding=1, output_padding=2),
        nn.Conv2d(2, 2, 1, bias=False),
    ).double()
    factors = redraw(network, 0, signed=signed)
    x = torch.randn(2, 3, 20, 30, dtype=torch.float64)
    with torch.no_grad(), Calls(network, factors):
        short = network(x)
    torch.testing.assert_close(short, network(x).detach(), rtol=1e-12, atol=1e-12)
    assert short.std() > 1e-3


# what is refused ------------------------------------------------------------------------------------------------


def refused(network, message, **options):
    with pytest.raises(ModelError, match=message):
        reach(network, **options)


@pytest.mark.parametrize("wrong", [nn.Conv2d, {"weight": 1}, None])
def test_no_network(wrong):
    refused(
        wrong,
        rf"^model must be a torch.nn.Module, the name of a network or model, or the path of a .safetensors file, "
        rf"instead "
        rf"got model={re.escape(repr(wrong)[:80])} \({type(wrong).__name__}\): pass the network itself, not its "
        rf"weights "
        r"or its class$",
    )


@pytest.mark.parametrize("channels", [0, -1, True, 2.5])
def test_wrong_channels(channels):
    message = rf"^channels must be a whole number of 1 or more, instead got channels={channels}$"
    with pytest.raises(ValueError, match=message):
        reach(nn.Conv2d(1, 1, 1), channels=channels)


def test_other_size():
    refused(
        nn.Conv2d(1, 1, 3),
        r"^Conv2d must give an output of the input's size \(32, 32\), instead got \(30, 30\): pad its convolutions, or "
        r"interpolate its output in forward$",
    )


@pytest.mark.parametrize(
    ("function", "given"),
    [
        (lambda x: (x, x), "tuple"),
        (lambda x: x.mean((2, 3)), r"shape \(1, 1\)"),
        (lambda x: {"logits": x}, "NoneType"),
    ],
)
def test_no_map(function, given):
    refused(
        parts.Apply(function),
        rf"^Apply must give \(batch, class, y, x\), or a dict that holds it as 'out', instead got {given}: wrap the "
        r"network in a module that returns its map$",
        channels=1,
    )


def test_classes_are_no_scores():
    refused(
        parts.Apply(lambda x: x.argmax(1, keepdim=True)),
        r"^Apply must give scores or probabilities, instead got torch.int64: leave the choice of a class \(argmax\) "
        r"out "
        r"of forward$",
        channels=2,
    )


def test_refuses_all_sizes():
    def fixed(x):
        if x.shape[-2:] != (256, 256):
            raise ValueError("only 256 by 256")
        return x

    refused(
        parts.Apply(fixed),
        r"^Apply must accept tiles of different sizes with 3 channels, but of the sides \[32, .*, 512\] and their "
        r"doubles "
        r"it accepts none; it says: ValueError: only 256 by 256: pass channels= if its input has another number of "
        r"them, "
        r"and build it without a fixed size$",
        channels=3,
    )


def test_random():
    refused(
        parts.Around(parts.Apply(functional.dropout)),
        r"^Around must give the same output for the same input, but it is random in evaluation mode: pass "
        r"training=self.training to functional dropout, and draw no noise there$",
    )


def test_too_far(monkeypatch):
    monkeypatch.setattr(module, "MAX_PROBE", 256)
    assert reach(nn.Conv2d(1, 1, (101, 1), padding=(50, 0))) == Reach(1, 50, 50)
    refused(
        nn.Conv2d(1, 1, (1, 301), padding=(0, 150)),
        r"^Conv2d must look at a bounded neighbourhood, but a pixel reaches 128 pixels, and inspection found nothing "
        r"that looks at the whole tile: leave out what does, or write it with torch's own reductions$",
    )


def test_corner_to_corner():
    network = nn.Sequential(nn.Conv2d(1, 1, 1), nn.MaxPool2d(2), nn.UpsamplingBilinear2d(scale_factor=2))
    refused(
        network,
        r"^Sequential must treat every pixel alike, but 2 \(UpsamplingBilinear2d\) interpolates with "
        r"align_corners=True, "
        r"so that what it does depends on the place in the tile and its size: train with align_corners=False$",
    )


def test_depends_on_the_place():
    def add_rows(x):
        return x + torch.linspace(0, 1, x.shape[2], dtype=x.dtype)[:, None]

    refused(
        parts.Around(parts.Apply(add_rows)),
        r"^Around must treat every pixel alike, but when the input moves by 1 pixels or a multiple of it, the output "
        r"does "
        r"not: leave out what depends on the place in the tile \(coordinates, position embeddings, interpolation to "
        r"sizes that are no multiples\)$",
    )


def test_no_gradient():
    refused(
        parts.Around(parts.Apply(torch.sign)),
        r"^Around must pass gradients from its output to its input, but there are none: take no_grad, detach, rounding "
        r"and thresholds out of forward$",
    )


def test_ways_disagree_on_the_stride():
    def even(x):
        return x + 0 * functional.interpolate(functional.avg_pool2d(x, 2), scale_factor=2.0)

    refused(
        parts.Around(parts.Apply(even)),
        r"^Around must be understood in two ways alike, but its features have a stride of 2 pixels and its output "
        r"moves "
        r"with the input by 1: leave out of forward what has no effect on the output$",
    )


def test_ways_disagree_on_the_whole_tile():
    refused(
        parts.Around(parts.Apply(lambda x: x + x.detach().sign().abs().mean())),
        r"^Around must be understood in two ways alike, but inspection found part \(Tensor.mean over y, x\) to look "
        r"at the "
        r"whole tile, and no pixel beyond 2 matters: leave out what has no effect$",
    )
