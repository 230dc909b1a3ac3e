"""Networks of one's own, of every kind: no seams, or a mode that says how large they are."""

import copy
import pickle
import re
import threading

import numpy as np
import pytest
import torch
from networks import GLOBAL, LOCAL, STRIDES, ZOO, alive, pooled_convolutions
from thin import thinned
from torch import nn

import insarflow
from insarflow.errors import ModelError
from insarflow.learn.models import build_model, list_models, spec_of
from insarflow.schema import recipe_of
from insarflow.segment import check_seams, device, segment
from insarflow.segment.chosen import choose
from insarflow.segment.own import OwnModule, keep
from insarflow.segment.whole_tile.box import BoxMean
from insarflow.segment.whole_tile.local import localise
from insarflow.types import Recipe

WHOLE = sorted(set(ZOO) - set(LOCAL))
PATCH = 16


@pytest.fixture(scope="module")
def small(make_stack):
    return make_stack((70, 83), cells=(1, 2)).isel(delay=[0])


@pytest.fixture(scope="module")
def plain():
    return ZOO["conv_4"](0)


# no seams ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", [n for n in list_models() if spec_of(n).kind == "image" and spec_of(n).reach < 200 and n != "drs-unet"]
)
def test_networks_of_the_registry(name):
    """The default's weights; others, whose drawn weights give nearly one value everywhere, made to matter."""
    network = "default" if name == "context-unet" else alive(lambda: thinned(build_model(name), 32))
    assert check_seams(network) < 1e-5


@pytest.mark.parametrize(
    ("name", "part", "others"),
    [("drs-unet", "encoder.3.1.shrinkage.mean", 7), ("deeplabv3-resnet50", "classifier.0.convs.4.0", 0)],
)
def test_networks_that_look_at_the_whole_tile(small, name, part, others):
    """Their spec is what is found, and their means are found and exchanged."""
    network, spec = alive(lambda: thinned(build_model(name), 32)), spec_of(name)
    chosen = choose(network, tolerant=True)
    assert (chosen.stride, chosen.reach, True) == (spec.stride, spec.reach, spec.whole_tile)
    with pytest.raises(ModelError, match=f"{re.escape(part)} .*; choose mode='patch'") as refused:
        segment(small, network)
    assert str(refused.value).count("Tensor.mean over y, x") == 1 + others
    assert check_seams(network) > 1e-3
    assert 0 < check_seams(network, mode="blend", patch=64) < 1
    local = localise(network, 32)
    assert isinstance(local.get_submodule(part), BoxMean)
    assert sum(isinstance(layer, BoxMean) for layer in local.modules()) == 1 + others


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "nava-cnn",
            "tells classes of small images and gives no map: slide it over the region with insarflow.segment.c",
        ),
        (
            "utae",
            "makes one map of several interferograms of a place, not one of each: call network(image, when, there)",
        ),
    ],
)
def test_networks_that_map_no_interferogram(small, name, message, tmp_path):
    network, path = build_model(name), tmp_path / "mine.safetensors"
    insarflow.save_model(network, path, channels=("coherence", "cos", "sin"), recipe=Recipe())
    for model, label in ((network, type(network).__name__), (path, str(path))):
        with pytest.raises(ModelError, match=f"^model '{re.escape(label)}' {re.escape(message)}"):
            segment(small, model)
    for refuse in (check_seams, insarflow.reach):
        with pytest.raises(ModelError, match=re.escape(message)):
            refuse(network)


@pytest.mark.parametrize("name", sorted(ZOO))
def test_every_kind_of_network(name):
    """Local networks have none; the others have, without a mode, and have none in mode "patch"."""
    bare = insarflow.check_seams(ZOO[name](0))
    if name in LOCAL:
        assert bare < 1e-5
        return
    assert bare > 1e-3
    if name not in GLOBAL:
        assert check_seams(ZOO[name](0), mode="patch", patch=PATCH) < 1e-5


@pytest.mark.parametrize("name", ["se_unet", "group_norm", "aspp"])
def test_patch_for_any_chunks(small, name):
    whole = segment(small, ZOO[name](0), mode="patch", patch=PATCH)["probability"]
    cut = segment(small.chunk(y=(33, 37), x=(50, 33)), ZOO[name](0), mode="patch", patch=PATCH, tile_size=32)
    np.testing.assert_allclose(cut["probability"].values, whole.values, atol=1e-5)
    assert np.nanstd(whole) > 0.02
    assert whole.attrs["mode"] == "patch"
    assert whole.attrs["patch"] == PATCH
    assert "seam_error" not in whole.attrs
    assert recipe_of(segment(small, ZOO[name](0), mode="patch", patch=PATCH)).steps[-1]["mode"] == "patch"


@pytest.mark.parametrize("name", ["self_attention", "instance_norm"])
def test_blend_for_any_chunks(small, name):
    whole = segment(small, ZOO[name](0), mode="blend", patch=PATCH)["probability"]
    cut = segment(small.chunk(y=(33, 37), x=(50, 33)), ZOO[name](0), mode="blend", patch=PATCH)["probability"]
    np.testing.assert_allclose(cut.values, whole.values, atol=1e-5)
    assert 0 < whole.attrs["seam_error"] < 1
    assert whole.attrs["seam_error"] == check_seams(ZOO[name](0), mode="blend", patch=PATCH)
    np.testing.assert_array_equal(np.isnan(whole), np.isnan(small["igram"]) | np.isnan(small["coherence"]))


@pytest.mark.parametrize("name", WHOLE)
def test_never_silent(small, name):
    with pytest.raises(
        ModelError,
        match=r"^model '\w+' has layers that look at the whole tile, so that no halo makes tiles seamless: \S.*; "
        r"choose mode='patch' .* or mode='blend' ",
    ):
        segment(small, ZOO[name](0))


@pytest.mark.parametrize("name", GLOBAL)
def test_what_cannot_be_made_local(small, name):
    with pytest.raises(ModelError, match=r"cannot be made local and still looks at the whole tile: .*mode=\"blend\"$"):
        segment(small, ZOO[name](0), mode="patch", patch=PATCH)


# one's own module ---------------------------------------------------------------------------------------------------


def test_stride_and_reach_are_found(small, plain):
    found = segment(small, plain)["probability"]
    assert STRIDES["conv_4"] == insarflow.reach(plain).stride == 4
    assert found.attrs["model"] == "Sequential"
    assert len(found.attrs["model_sha256"]) == 64
    assert "threshold" not in found.attrs
    assert found.attrs["unknown"] == "Sequential has no card, so it is not known what data it was trained on"
    np.testing.assert_allclose(segment(small.chunk(y=31, x=29), plain)["probability"], found, atol=1e-6)


class Dictionary(nn.Module):
    """What torchvision's networks give, as probabilities, like ISSLIDE's."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, x):
        return {"out": torch.sigmoid(self.inner(x)), "aux": x}


def test_probabilities_in_a_dictionary(small, plain):
    found = segment(small, Dictionary(plain), output="probability")["probability"]
    np.testing.assert_allclose(found, segment(small, plain)["probability"], atol=1e-6)


def test_what_is_no_probability_is_refused(small, plain):
    with pytest.raises(
        ModelError,
        match=r"^model 'Sequential' must give probabilities from 0 to 1, instead got -.* to .*: of a ",
    ):
        segment(small, plain, output="probability")
    broken = copy.deepcopy(plain)
    with torch.no_grad():
        broken[-1].bias.fill_(torch.nan)
    with pytest.raises(ModelError, match=r"^model 'Sequential' must give numbers, instead got nan to nan: look at"):
        segment(small, broken)


def test_channels_in_any_order(small, plain):
    turned = copy.deepcopy(plain)
    turned[0].weight.data = plain[0].weight.data[:, [1, 2, 0]].clone()
    found = segment(small, turned, channels=["cos", "sin", "coherence"])["probability"]
    np.testing.assert_allclose(found, segment(small, plain)["probability"], atol=1e-6)
    with pytest.raises(ModelError, match=r"^model 'Sequential' needs the channels \['dem', 'cos'\], but the stack giv"):
        segment(small, plain, channels=["dem", "cos"])


def test_later_training_changes_nothing(small):
    network = ZOO["conv_4"](0)
    lazy = segment(small.chunk(y=40), network)["probability"]
    before = segment(small, network)["probability"]
    with torch.no_grad():
        network[0].weight.zero_()
    np.testing.assert_allclose(lazy.values, before.values, atol=1e-6)
    assert segment(small.chunk(y=40), network)["probability"].data.name != lazy.data.name


def test_what_decides_the_result_is_in_the_hash(plain):
    class Scaled(nn.Module):
        def __init__(self, factor):
            super().__init__()
            self.inner, self.factor = plain, factor

        def forward(self, x):
            return self.factor * self.inner(x)

    one, same, other = (OwnModule(Scaled(factor)) for factor in (1.0, 1.0, 2.0))
    assert one == same
    assert one != other


def test_training_mode_stays(small):
    network = ZOO["conv_4"](0).train()
    segment(small, network)
    assert network.training


def test_a_module_travels_as_its_hash(plain):
    network = ZOO["conv_4"](1)
    own = OwnModule(network)
    data, sha256 = pickle.dumps(own), own.sha256
    assert len(data) < 250
    assert pickle.loads(data) == own
    assert pickle.loads(data).module is own.module
    del own
    with pytest.raises(ModelError, match=r"^model 'Sequential' \(sha256=\w{8}\.\.\.\) is not known to this process: "):
        _ = pickle.loads(data).module
    keep(network, sha256)
    assert torch.equal(pickle.loads(data).module[0].weight, network[0].weight)
    with pytest.raises(ModelError, match=r"^model 'Sequential' must have sha256=aaa, instead got "):
        keep(plain, "aaa")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"stride": 3},
            r"^stride must be a multiple of 4, which model 'Sequential' was found to have, instead got stride=3",
        ),
        (
            {"mode": "patch", "patch": 16},
            r"^mode must be left out: no layer of model 'Sequential' looks at the whole til",
        ),
        ({"patch": 16}, r"^patch must be left out without a mode, instead got patch=16$"),
        ({"offsets": 0}, r"^offsets must be .* 1"),
        ({"precision": "half"}, r"^precision must be .*exact.*, instead got precision='half'"),
        ({"output": "class"}, r"^output must be .*logits.*, instead got output='class'"),
        ({"channels": ["coherence"] * 3}, r"^model 'Sequential' needs the channels "),
    ],
)
def test_refused(small, plain, change, message):
    with pytest.raises((ValueError, ModelError), match=message):
        segment(small, plain, **change)


def test_refused_with_a_mode(small, model):
    network = ZOO["se_unet"](0)
    for patch, message in [
        (None, r"^patch must be the side of the patches that model 'UNet' was trained on, in pixels, for mode='blend'"),
        (18, r"^patch must be a multiple of the stride 4 of model 'UNet', instead got patch=18$"),
        (4, r"^patch must be .*8"),
    ]:
        with pytest.raises(ValueError, match=message):
            segment(small, network, mode="blend", patch=patch)
    with pytest.raises(
        ValueError, match=r"^offsets must be 1 with mode='blend', instead got offsets=3: choose mode='pat"
    ):
        segment(small, network, mode="blend", patch=16, offsets=3)
    with pytest.raises(ValueError, match=r"^stride must be left out for a model with a card, which tells it, instead"):
        segment(small, model, stride=4)


def test_other_outputs_are_refused(small):
    with pytest.raises(ModelError, match=r"^model 'Sequential' must give \(batch, 1, y, x\), .*, instead got \(1, 2, "):
        segment(small, nn.Sequential(nn.Conv2d(3, 2, 1)))


def test_a_network_that_fails_is_named(small, plain):
    class Fails(nn.Module):
        def forward(self, x):
            if x.dtype == torch.float32:
                raise RuntimeError("CUDA error: device unavailable")
            return x[:, :1]

    with pytest.raises(
        ModelError, match=r"^model 'Fails' failed on cpu with a batch .*: CUDA error: device unavailable; "
    ):
        segment(small, Fails())


# precision and offsets ----------------------------------------------------------------------------------------------


def test_fast_says_what_it_costs(small, model):
    fast, exact = (segment(small, model, precision=p)["probability"] for p in ("fast", "exact"))
    stated = fast.attrs["precision_error"]
    assert 0 < stated < 0.2
    off = np.nanmax(abs(fast - exact))
    assert 1e-4 < off < 3 * stated
    assert fast.attrs["precision"] == "fast"
    assert "precision_error" not in exact.attrs


def test_offsets(small, model):
    turns = [
        segment(small.assign(igram=small["igram"] * np.complex64(np.exp(2j * np.pi * k / 4))), model)["probability"]
        for k in range(4)
    ]
    found = segment(small.chunk(y=40), model, offsets=4)
    np.testing.assert_allclose(found["probability"], np.mean(turns, axis=0), atol=1e-5)
    np.testing.assert_allclose(found["probability_std"], np.std(turns, axis=0), atol=1e-4)
    assert found["probability_std"].dtype == np.float32
    assert np.nanmax(found["probability_std"]) > 0.01
    assert recipe_of(found).steps[-1]["offsets"] == 4
    with pytest.raises(
        ModelError, match=r"^model 'Sequential' must take cos and sin for offsets of the phase, instead"
    ):
        segment(small, nn.Sequential(nn.Conv2d(1, 1, 3, padding=1)), channels=["coherence"], offsets=2)


# the device ---------------------------------------------------------------------------------------------------------


def limited(most):
    """A network that takes at most so many pixels at once."""

    class Limited(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = ZOO["conv_4"](0)

        def forward(self, x):
            if x.dtype == torch.float32 and x.shape[0] * x.shape[-1] * x.shape[-2] > most:
                raise torch.OutOfMemoryError("CUDA out of memory")
            return self.inner(x)

    return Limited()


@pytest.mark.parametrize("most", [80 * 90, 88 * 50])
def test_a_full_device_gets_less_at_once(make_stack, plain, most):
    """Batches are halved; tiles, too, where one does not fit."""
    ds = make_stack((70, 83), cells=(1, 2))
    found = segment(ds, limited(most), tile_size=128)["probability"]
    np.testing.assert_allclose(found, segment(ds, plain)["probability"], atol=1e-5)


def test_tf32_is_off_and_comes_back(small, plain):
    seen = []

    class Looks(nn.Sequential):
        def forward(self, x):
            seen.append((torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32))
            return super().forward(x)

    torch.backends.cuda.matmul.allow_tf32 = True
    try:
        segment(small, Looks(*plain))
        assert seen[-1] == (False, False)
        assert torch.backends.cuda.matmul.allow_tf32
    finally:
        torch.backends.cuda.matmul.allow_tf32 = False


def test_tf32_with_several_threads(monkeypatch):
    """Whoever leaves first does not give the others TF32 back."""
    torch.backends.cuda.matmul.allow_tf32 = True
    inside, leave, seen = threading.Barrier(2), threading.Event(), []

    def first():
        with device.true_float32():
            inside.wait()

    def second():
        with device.true_float32():
            inside.wait()
            leave.wait(10)
            seen.append(torch.backends.cuda.matmul.allow_tf32)

    try:
        threads = [threading.Thread(target=first), threading.Thread(target=second)]
        for thread in threads:
            thread.start()
        threads[0].join()
        leave.set()
        threads[1].join()
        assert seen == [False]
        assert torch.backends.cuda.matmul.allow_tf32
    finally:
        torch.backends.cuda.matmul.allow_tf32 = False


def test_a_stated_stride_that_is_larger(small, plain):
    np.testing.assert_allclose(
        segment(small, plain, stride=8, tile_size=32)["probability"], segment(small, plain)["probability"], atol=1e-5
    )


def test_stride_two(small):
    network = alive(lambda: pooled_convolutions(2))
    np.testing.assert_allclose(
        segment(small.chunk(y=33), network, tile_size=34)["probability"],
        segment(small, network)["probability"],
        atol=1e-5,
    )
