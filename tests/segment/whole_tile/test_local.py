import re
from functools import lru_cache

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from networks import GLOBAL, LOCAL, STRIDES, ZOO, NormNet, SqueezeExcite, UNet, alive, conv
from torch import nn

from insarflow.errors import ModelError
from insarflow.learn.models import build_model
from insarflow.learn.models.whole import SpatialMean
from insarflow.segment.reach import reach
from insarflow.segment.whole_tile.local import localise
from insarflow.segment.windows import round_up

PATCH = 24
SHAPE = (200, 260)
CHANGED = [name for name in ZOO if name not in LOCAL + GLOBAL]


@lru_cache
def image():
    """Noise whose mean and strength change over the image, as the statistics of a real one do."""
    y, x = torch.meshgrid(*(torch.linspace(-3, 3, n) for n in SHAPE), indexing="ij")
    noise = torch.randn(1, 3, *SHAPE, generator=torch.Generator().manual_seed(1))
    return noise * (1.5 + torch.sin(2 * x + y)) + torch.cos(3 * y - x)


@lru_cache
def network(name):
    return ZOO[name](0)


@lru_cache
def local(name):
    return localise(network(name), PATCH)


@lru_cache
def exact(name):
    return localise(network(name), PATCH).double()


@lru_cache
def whole(name):
    return predict(exact(name), image().double())


@lru_cache
def halo(name):
    return round_up(farthest(local(name)), STRIDES[name])


def farthest(net):
    found = reach(net)
    assert not found.whole_tile
    return max(found.left, found.right)


def predict(net, x):
    with torch.inference_mode():
        return net(x)


def from_tile(net, x, core, margin, stride):
    """Output of the rows and columns of `core`, from a tile with a margin that is cut at the image's border."""
    cuts, inner = [], []
    for (start, stop), size in zip(core, SHAPE, strict=True):
        first = max(0, start - margin) // stride * stride
        cuts.append(slice(first, min(size, round_up(stop + margin, stride))))
        inner.append(slice(start - first, stop - first))
    return predict(net, x[..., cuts[0], cuts[1]].contiguous())[..., inner[0], inner[1]]


@st.composite
def spans(draw, size):
    """Start and stop of a part of an axis; borders are drawn as often as the inside."""
    length = draw(st.integers(1, 40))
    start = draw(st.one_of(st.just(0), st.just(size - length), st.integers(0, size - length)))
    return start, start + length


@pytest.mark.parametrize("name", [name for name in ZOO if name not in GLOBAL])
@given(rows=spans(SHAPE[0]), columns=spans(SHAPE[1]))
def test_tiles_give_the_same_as_the_whole_image(name, rows, columns):
    part = from_tile(exact(name), image().double(), (rows, columns), halo(name), STRIDES[name])
    expected = whole(name)[..., slice(*rows), slice(*columns)]
    assert torch.allclose(part, expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize("name", [name for name in ZOO if name not in GLOBAL])
@pytest.mark.parametrize("core", [((0, 40), (0, 30)), ((81, 122), (99, 140)), ((160, 200), (229, 260))])
def test_tiles_differ_in_float32_by_rounding_alone(name, core):
    part = from_tile(local(name), image(), core, halo(name), STRIDES[name])
    expected = predict(local(name), image())[..., slice(*core[0]), slice(*core[1])]
    largest = float(expected.abs().max())
    assert torch.allclose(part, expected, rtol=0, atol=1e-5 * largest)
    assert torch.allclose(expected.double(), whole(name)[..., slice(*core[0]), slice(*core[1])], atol=1e-5 * largest)


@pytest.mark.parametrize("name", CHANGED)
def test_the_networks_themselves_have_seams(name):
    core = ((80, 120), (100, 140))
    expected = predict(network(name), image())[..., 80:120, 100:140]
    part = from_tile(network(name), image(), core, halo(name), STRIDES[name])
    assert (part - expected).abs().max() > 5e-3


@pytest.mark.parametrize("name", CHANGED)
def test_a_smaller_halo_has_seams(name):
    core = ((80, 120), (100, 140))
    part = from_tile(exact(name), image().double(), core, halo(name) - 24, STRIDES[name])
    assert (part - whole(name)[..., 80:120, 100:140]).abs().max() > 1e-6


@pytest.mark.parametrize("name", [name for name in ZOO if name not in GLOBAL])
def test_small_images_give_the_networks_own_output(name):
    x = image()[..., 60:72, 88:100]  # n cells of half a patch, in each layer
    assert torch.allclose(predict(local(name), x), predict(network(name), x), rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", LOCAL)
def test_local_networks_stay_as_they_are(name):
    assert torch.equal(predict(local(name), image()), predict(network(name), image()))


@pytest.mark.parametrize("patch", [12, 15])
@pytest.mark.parametrize(
    "layer", [SpatialMean(), nn.AdaptiveAvgPool2d(1), nn.AdaptiveMaxPool2d(1), nn.GroupNorm(2, 4), nn.InstanceNorm2d(4)]
)
def test_the_middle_of_a_patch_sees_the_whole_patch(layer, patch):
    class Gated(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.layer = nn.Conv2d(3, 4, 1), layer

        def forward(self, x):
            return self.first(x) - 2 * self.layer(self.first(x))

    net = alive(Gated)
    x = image()[..., :patch, :patch]
    own, found = predict(net, x), predict(localise(net, patch), x)
    middle = patch // 2
    assert torch.allclose(found[..., middle, middle], own[..., middle, middle], atol=1e-5)
    assert (found - own).abs().max() > 1e-3


def test_where_statistics_do_not_vary_nothing_changes():
    net = alive(lambda: nn.Sequential(nn.Conv2d(3, 8, 1), nn.GroupNorm(2, 8), SqueezeExcite(8), nn.Conv2d(8, 1, 1)))
    x = image()[..., :1, :1].expand(1, 3, 60, 70).contiguous()
    assert torch.allclose(predict(localise(net, PATCH), x), predict(net, x), atol=1e-6)


@pytest.mark.parametrize("stride", [1, 2, 4])
def test_boxes_have_the_cells_of_a_patch(stride):
    net = alive(lambda: nn.Sequential(conv(3, 4, stride=stride), nn.GroupNorm(2, 4), nn.Upsample(scale_factor=stride)))
    side = {1: 101, 2: 51, 4: 25}[stride]
    assert repr(localise(net, 100)[1]) == f"BoxNorm(box={side} x {side})"


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_windows_in_a_row_add_up(depth):
    net = alive(lambda: nn.Sequential(conv(3, 4), *(nn.GroupNorm(2, 4) for _ in range(depth))))
    assert farthest(localise(net, 20)) == 1 + 10 * depth


@pytest.mark.parametrize("name", ["group_norm", "aspp", "conv_4"])
def test_reach_is_where_changes_end(name):
    probe = exact(name)
    x = image()[..., :8, :128].double()
    out = predict(probe, x)
    changed_at = 0
    for at in range(60, 60 + STRIDES[name]):
        # Signs and sizes differ, since a change may stay below a ReLU or beside a maximum.
        for change in (-30.0, 30.0, 1.0):
            changed = x.clone()
            changed[..., at] += change
            there = (predict(probe, changed) != out).any(2).any(1)[0].nonzero()
            changed_at = max(changed_at, *(there - at).abs().flatten().tolist())
    assert changed_at == farthest(local(name))


def test_layer_norm_of_one_patch_size():
    def build(**kwargs):
        return alive(lambda: nn.Sequential(conv(3, 4), nn.LayerNorm((4, 20, 20), **kwargs), conv(4, 1)), size=20)

    net = build(elementwise_affine=False)
    group = nn.Sequential(net[0], nn.GroupNorm(1, 4, affine=False), net[2])
    x = image()[..., :40, :60]
    assert torch.allclose(predict(localise(net, 20), x), predict(localise(group, 20), x), atol=1e-6)
    with pytest.raises(
        ModelError,
        match=r"^1 \(LayerNorm\) has other weights at each cell, so it depends on where in its patch a pixel lies: "
        r'use nn\.GroupNorm\(1, channels\), whose weights do not, or mode="blend"$',
    ):
        localise(build(), 20)


def test_layer_norm_with_one_weight_per_channel():
    net = alive(lambda: nn.Sequential(conv(3, 4), nn.LayerNorm((4, 20, 20)), conv(4, 1)), size=20)
    group = nn.Sequential(net[0], nn.GroupNorm(1, 4), net[2])
    with torch.no_grad():
        for layer, value in ((net[1].weight, group[1].weight), (net[1].bias, group[1].bias)):
            value.normal_()
            layer.copy_(value[:, None, None].expand(4, 20, 20))
    x = image()[..., :40, :60]
    assert torch.allclose(predict(localise(net, 20), x), predict(localise(group, 20), x), atol=1e-6)


def test_running_statistics_are_local_already():
    net = alive(
        lambda: nn.Sequential(conv(3, 4), nn.InstanceNorm2d(4, affine=True, track_running_stats=True), conv(4, 1))
    )
    assert repr(localise(net, PATCH)) == repr(net)


def test_the_output_may_be_a_dict():
    class Wrapped(nn.Module):
        def __init__(self):
            super().__init__()
            self.model = network("aspp")

        def forward(self, x):
            return {"out": self.model(x), "aux": x}

    net = localise(Wrapped(), PATCH)
    assert torch.equal(predict(net, image())["out"], predict(local("aspp"), image()))


def test_the_network_and_the_callers_random_numbers_are_left_alone():
    net = ZOO["flat_se_unet"](0).train()
    before = {k: v.clone() for k, v in net.state_dict().items()}
    text, state = repr(net), torch.get_rng_state()
    changed = localise(net, PATCH)
    assert torch.equal(torch.get_rng_state(), state)
    assert net.training
    assert repr(net) == text
    assert not any(layer.training for layer in changed.modules())
    with torch.no_grad():
        for tensor in changed.state_dict().values():
            tensor.zero_()
    assert all(torch.equal(v, before[k]) for k, v in net.state_dict().items())


WAY_OUT = (
    "cannot be made local and still looks at the whole tile: if it is a mean over y and x, write it as a module "
    'insarflow.learn.models.whole.SpatialMean; otherwise use mode="blend"'
)


@pytest.mark.parametrize(
    ("name", "layer"),
    [("self_attention", "attention (MultiheadAttention)"), ("functional_mean", "high.3 (FunctionalSqueezeExcite)")],
)
def test_what_stays_global_is_named(name, layer):
    with pytest.raises(ModelError, match=f"^{re.escape(f'{layer} {WAY_OUT}')}$"):
        localise(network(name), PATCH)


def test_a_mean_that_hides_missing_numbers_is_found():
    class Hiding(nn.Module):
        def __init__(self):
            super().__init__()
            self.first = conv(3, 1)

        def forward(self, x):
            return self.first(x) + self.first(x).nan_to_num().mean((2, 3), keepdim=True)

    with pytest.raises(ModelError, match=f"^{re.escape(f'Hiding {WAY_OUT}')}$"):
        localise(Hiding(), PATCH)


def test_statistics_of_the_batch_are_found():
    net = alive(lambda: nn.Sequential(conv(3, 4), nn.BatchNorm2d(4, track_running_stats=False), conv(4, 1)))
    with pytest.raises(ModelError, match=f"^{re.escape(f'1 (BatchNorm2d) {WAY_OUT}')}$"):
        localise(net, PATCH)


class ViewedMean(nn.Module):
    """A gate whose parts are joined by views in `forward`, as in many published squeeze-and-excitation blocks."""

    def __init__(self, width):
        super().__init__()
        self.pool, self.gate = nn.AdaptiveAvgPool2d(1), nn.Linear(width, width)

    def forward(self, x):
        return x * self.gate(self.pool(x).view(x.shape[:2]))[:, :, None, None]


class SqueezedMean(ViewedMean):
    """The same without a failure: what is done to a map of `width` columns makes no sense."""

    def forward(self, x):
        return x * self.gate(self.pool(x).squeeze(3).squeeze(2)).reshape(*x.shape[:2], -1, 1)[:, :, :1]


def test_what_cannot_take_a_map_is_refused():
    wanted = (
        r"^what follows high\.3\.pool, middle\.2\.pool, low\.2\.pool in UNet must take a map of y and x in place of "
    )
    rest = (
        r"; keep each mean and what follows it in one nn\.Sequential that ends in nn\.Unflatten, or use mode=\"blend\"$"
    )
    with pytest.raises(ModelError, match=wanted + r"one value, as 1 x 1 convolutions do, but it fails: shape.*" + rest):
        localise(alive(lambda: UNet(ViewedMean)), PATCH)


def test_what_makes_no_sense_of_a_map_is_refused():
    net = alive(lambda: nn.Sequential(conv(3, PATCH), SqueezedMean(PATCH), conv(PATCH, 1)))
    with pytest.raises(
        ModelError,
        match=r"^what follows 1\.pool in Sequential must take a map of y and x in place of one value, as 1 x 1 "
        r"convolutions do, but gives another result; keep each mean and what follows it in one nn\.Sequential that "
        r'ends in nn\.Unflatten, or use mode="blend"$',
    ):
        localise(net, PATCH)


def test_one_layer_on_maps_of_two_sizes():
    class Shared(NormNet):
        def __init__(self):
            super().__init__(lambda width: nn.GroupNorm(2, width))
            self.low[1] = self.high[1]

    with pytest.raises(
        ModelError,
        match=r"^high\.1 \(GroupNorm\) is used on maps of \[\(12, 12\), \(24, 24\)\] cells, and one layer has one box: "
        r"give each map a layer of its own$",
    ):
        localise(alive(Shared), PATCH)


def test_one_layer_twice_on_maps_of_one_size():
    layer = nn.GroupNorm(2, 4)
    net = alive(lambda: nn.Sequential(conv(3, 4), layer, conv(4, 4), layer, conv(4, 1)))
    assert [type(part).__name__ for part in localise(net, PATCH)][1::2] == ["BoxNorm", "BoxNorm"]


def test_a_patch_that_the_network_does_not_take():
    with pytest.raises(ModelError, match=r"^patch must be a size that ResUNet takes, instead got patch=30: height and"):
        localise(build_model("resunet"), 30)


@pytest.mark.parametrize(("value", "error"), [(0, ValueError), (2.5, TypeError), (True, TypeError)])
def test_wrong_numbers(value, error):
    net = network("conv_2")
    with pytest.raises(error, match=rf"^patch must be the side of the training patches in pixels, 1 or more, instead "
                       rf"got patch={value}"):  # fmt: skip
        localise(net, value)
    with pytest.raises(error, match=rf"^channels must be the number of input channels, 1 or more, instead got "
                       rf"channels={value}"):  # fmt: skip
        localise(net, PATCH, channels=value)


def test_what_is_no_network():
    with pytest.raises(TypeError, match=r"^module must be a torch\.nn\.Module, instead got module='resunet' \(str\)$"):
        localise("resunet", PATCH)


def test_channels_that_nothing_tells():
    with pytest.raises(
        ModelError, match=r"^Identity has no convolution that tells its number of input channels: give channels=$"
    ):
        localise(nn.Identity(), PATCH)
    assert isinstance(localise(nn.Identity(), PATCH, channels=3), nn.Identity)


def test_another_size_out_than_in():
    net = nn.Sequential(nn.Conv2d(3, 1, 3))
    with pytest.raises(
        ModelError,
        match=r"^Sequential must give \(batch, class, y, x\) of its input's size \(1, 3, 24, 24\), instead got "
        r"\(1, 1, 22, 22\): wrap it in a module that does$",
    ):
        localise(net, PATCH)


def test_a_network_of_one_size():
    class OneSize(nn.Conv2d):
        def forward(self, x):
            if x.shape[-1] != PATCH:
                raise ValueError("I take patches alone")
            return super().forward(x)

    with pytest.raises(
        ModelError,
        match=r'^OneSize must take tiles larger than the patch, but refuses 24 x 48 pixels: use mode="blend"$',
    ):
        localise(OneSize(3, 1, 1), PATCH)
