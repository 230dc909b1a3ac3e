import pickle
import struct
import zipfile
from collections import OrderedDict

import pytest
import safetensors.torch
import torch
from thin import thinned
from torch import nn

from insarflow.errors import ModelError
from insarflow.learn.models import build_model, pretrained
from insarflow.learn.models.deeplab import DeepLabV3ResNet50
from insarflow.learn.models.fcn import FCNResNet50
from insarflow.learn.models.pretrained import load_pretrained
from insarflow.learn.models.utae import UTAE


def fcn(*args, **options):
    """Thin, so that tests are quick; the keys are those of the wide one."""
    with torch.device("meta"):
        network = FCNResNet50(*args, **options)
    return thinned(network, 32)


@pytest.fixture(scope="module")
def published():
    """What a published file holds: 21 classes and an auxiliary classifier."""
    torch.manual_seed(0)
    state = fcn(classes=21, aux=True).state_dict()
    return {key: torch.rand_like(value) if value.is_floating_point() else value + 7 for key, value in state.items()}


def save(state, path, form):
    if form == "safetensors":
        safetensors.torch.save_file(state, path)
    else:
        torch.save(state, path, _use_new_zipfile_serialization=form == "zip")
    return path


@pytest.mark.parametrize("form", ["safetensors", "zip", "legacy"])
@pytest.mark.parametrize("prefix", ["", "model."])
def test_all_of_it(published, tmp_path, form, prefix):
    path = save({prefix + key: value for key, value in published.items()}, tmp_path / "weights.pth", form)
    network = fcn(classes=21, aux=True)
    assert load_pretrained(network, path) == ()
    assert all(torch.equal(value, published[key]) for key, value in network.state_dict().items())


def test_another_number_of_classes_and_channels(published, tmp_path):
    path = save(published, tmp_path / "weights.safetensors", "safetensors")
    network = fcn(5, classes=1)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    left = load_pretrained(network, path)
    assert left == ("backbone.conv1.weight", "classifier.4.weight", "classifier.4.bias")
    for key, value in network.state_dict().items():
        assert torch.equal(value, before[key] if key in left else published[key])


def test_of_a_trunk_alone(published, tmp_path):
    state = {k.removeprefix("backbone."): v for k, v in published.items() if k.startswith("backbone.")}
    # As files of before 2018 lack them.
    state = {k: v for k, v in state.items() if not k.endswith("num_batches_tracked")}
    state |= {"fc.weight": torch.zeros(1000, 64), "fc.bias": torch.zeros(1000)}
    network = thinned(DeepLabV3ResNet50(), 32)
    left = load_pretrained(network, save(state, tmp_path / "resnet50.pth", "zip"))
    assert left[0] == "classifier.0.convs.0.0.weight"
    assert all(key.startswith("classifier.") for key in left)
    parameters = dict(network.named_parameters())
    assert {key for key in parameters if key.startswith("classifier.")} < {*left}
    assert torch.equal(parameters["backbone.layer4.2.conv3.weight"], published["backbone.layer4.2.conv3.weight"])


def test_heads_with_a_normalisation(tmp_path):
    path = save(UTAE(10, classes=20).state_dict(), tmp_path / "utae.pth", "zip")
    assert load_pretrained(UTAE(10, classes=20), path) == ()
    left = load_pretrained(UTAE(), path)
    assert left[:2] == ("first.0.weight", "first.0.bias")
    assert left[2:] == (
        "head.0.weight", "head.0.bias", "head.1.weight", "head.1.bias", "head.1.running_mean", "head.1.running_var",
    )  # fmt: skip


def test_half_precision_is_converted_and_ones_own_network_has_a_last_layer(tmp_path):
    def own(classes):
        return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, classes, 1))

    state = {k: v.half() if v.is_floating_point() else v for k, v in own(7).state_dict().items()}
    network = own(1)
    assert load_pretrained(network, save(state, tmp_path / "own.pth", "zip")) == ("3.weight", "3.bias")
    assert network[0].weight.dtype == torch.float32
    assert torch.equal(network[0].weight.half(), state["0.weight"])


# of another network -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda s: {"features.0.weight": torch.zeros(64, 3, 3, 3)},
            r"tensor 'backbone.conv1.weight' must be float32 \(2, 3, 7, 7\), instead got absent in the file, which "
            r"begins with 'features.0.weight': give it to the network that it was saved from$",
        ),
        (
            lambda s: s | {"backbone.layer1.0.conv2.weight": torch.zeros(2, 2, 1, 1)},
            r"tensor 'backbone.layer1.0.conv2.weight' must be float32 \(2, 2, 3, 3\), instead got float32 \(2, 2, 1",
        ),
        (
            lambda s: s | {"backbone.layer5.0.conv1.weight": torch.zeros(1)},
            r"tensor 'backbone.layer5.0.conv1.weight' must be absent, instead got float32 \(1,\)",
        ),
        (
            lambda s: {k: v for k, v in s.items() if k != "classifier.0.weight"},
            r"tensor 'classifier.0.weight' must be float32 \(16, 64, 3, 3\), instead got absent",
        ),
        (
            lambda s: s | {"backbone.bn1.weight": torch.zeros(2, dtype=torch.int64)},
            r"tensor 'backbone.bn1.weight' must be float32 \(2,\), instead got int64 \(2,\)",
        ),
        (lambda s: {}, r"tensor 'backbone.conv1.weight' must be .*, instead got absent in the file, which is empty"),
    ],
)
def test_the_first_key_that_differs_is_named(published, tmp_path, change, message):
    path = save(change(published), tmp_path / "weights.pth", "zip")
    network = fcn()
    before = {key: value.clone() for key, value in network.state_dict().items()}
    with pytest.raises(ModelError, match=rf"weights.pth must hold the weights of FCNResNet50: {message}"):
        load_pretrained(network, path)
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())


def test_weights_of_another_network_of_the_package(tmp_path):
    path = save(build_model("small-unet").state_dict(), tmp_path / "small.pth", "zip")
    with pytest.raises(ModelError, match=r"of ResUNet: tensor 'encoder_high.3.layers.0.weight' must be .* got absent"):
        load_pretrained(build_model("resunet"), path)


def test_nothing_changes_if_a_weight_is_not_finite(published, tmp_path):
    state = published | {"backbone.bn1.bias": torch.full((2,), torch.nan)}
    network = fcn()
    before = network.state_dict()["backbone.conv1.weight"].clone()
    with pytest.raises(ModelError, match=r"tensor 'backbone.bn1.bias' must be finite"):
        load_pretrained(network, save(state, tmp_path / "weights.pth", "zip"))
    assert torch.equal(network.state_dict()["backbone.conv1.weight"], before)


# hostile and broken files -------------------------------------------------------------------------------------------


class Harmful:
    def __reduce__(self):
        return (pytest.fail, ("code was run",))


@pytest.mark.parametrize("legacy", [False, True])
def test_code_is_never_run(tmp_path, legacy):
    network, path = build_model("resunet"), tmp_path / "network.pth"
    for held in (network, {"weights": Harmful()}):
        torch.save(held, path, _use_new_zipfile_serialization=not legacy)
        with pytest.raises(
            ModelError, match=r"network.pth must hold tensors by name, but holds objects whose loading c"
        ):
            load_pretrained(network, path)
    path.write_bytes(pickle.dumps(Harmful()))
    with pytest.raises(ModelError, match=r"network.pth (must hold tensors by name|cannot be read)"):
        load_pretrained(network, path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([torch.zeros(3)], "must hold tensors by name, instead got list: where it came from, save torch.save"),
        ({"epoch": 3}, "must hold tensors by name, instead got 'epoch' of int: where it came from"),
        ({"state_dict": {"a": torch.zeros(3)}}, "must hold tensors by name, instead got 'state_dict' of dict"),
        (OrderedDict({"a": torch.eye(3).to_sparse()}), "must hold tensors by name, instead got 'a' of Tensor"),
        ({"a": torch.zeros(3, device="meta")}, "must hold tensors by name, instead got 'a' of Tensor"),
    ],
)
def test_what_is_no_state_dict(tmp_path, content, message):
    path = tmp_path / "weights.pth"
    torch.save(content, path)
    with pytest.raises(ModelError, match=message):
        load_pretrained(build_model("resunet"), path)


def test_a_tensor_larger_than_its_file(tmp_path):
    """A view that repeats one number takes no memory until it is used."""
    network, path = build_model("resunet"), tmp_path / "weights.pth"
    torch.save(network.state_dict() | {"head.weight": torch.zeros(1).expand(1 << 20, 1 << 20)}, path)
    with pytest.raises(
        ModelError, match=r"tensor 'head.weight' must be float32 \(1, 12, 3, 3\), instead got float32 \(10"
    ):
        load_pretrained(network, path)


def test_sizes_are_bounded(tmp_path, monkeypatch):
    network, path = build_model("resunet"), tmp_path / "weights.pth"
    torch.save(network.state_dict(), path)
    packed = tmp_path / "packed.pth"
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as target:
        for entry in source.infolist():
            target.writestr(entry.filename, source.read(entry))
        target.writestr("archive/data/999", bytes(1 << 20))
    monkeypatch.setattr(pretrained, "MAX_BYTES", 1 << 20)
    assert packed.stat().st_size < 1 << 20
    with pytest.raises(
        ModelError, match=r"packed.pth must hold at most 1048576 bytes, instead got \d+ when it is unpack"
    ):
        load_pretrained(network, packed)
    monkeypatch.setattr(pretrained, "MAX_BYTES", 1 << 10)
    with pytest.raises(ModelError, match=r"weights.pth must have at most 1024 bytes, instead got \d+$"):
        load_pretrained(network, path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "must be a safetensors file, but starts with b''"),
        (b"\x89HDF\r\n\x1a\n0", "is an HDF5 file, not safetensors"),
        (b"PK\x03\x04 and no more", "cannot be read"),
        (b"\x80\x02}q\x00.", "must hold tensors by name|cannot be read"),
        (struct.pack("<Q", 40) + b'{"a": {"dtype": "F32"', "is damaged"),
    ],
)
def test_broken_files(tmp_path, content, message):
    path = tmp_path / "weights"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=rf"weights.* {message}|weights ({message})"):
        load_pretrained(build_model("resunet"), path)


def test_cut_files(published, tmp_path):
    for form in ("safetensors", "zip", "legacy"):
        path = save(published, tmp_path / form, form)
        content = path.read_bytes()
        path.write_bytes(content[: len(content) // 2])
        with pytest.raises(ModelError, match=rf"{form} (is damaged|cannot be read)"):
            load_pretrained(fcn(classes=21, aux=True), path)


def test_a_damaged_number(tmp_path):
    """One byte among the weights, which torch itself reads without a word."""
    network, path = build_model("resunet"), tmp_path / "weights.pth"
    torch.save(network.state_dict(), path)
    content = bytearray(path.read_bytes())
    at = content.index(network.state_dict()["encoder_high.0.weight"].numpy().tobytes())
    content[at] ^= 1
    path.write_bytes(content)
    assert not torch.equal(torch.load(path, weights_only=True)["encoder_high.0.weight"], network.encoder_high[0].weight)
    with pytest.raises(ModelError, match=r"weights.pth is damaged: '.*' is not what its checksum says"):
        load_pretrained(network, path)


def test_arguments(tmp_path):
    network = build_model("resunet")
    with pytest.raises(TypeError, match=r"^network must be a torch.nn.Module, instead got OrderedDict$"):
        load_pretrained(network.state_dict(), tmp_path / "weights.pth")
    with pytest.raises(TypeError, match=r"^path must be the path of a file, instead got path=3 \(int\)$"):
        load_pretrained(network, 3)
    with pytest.raises(
        ModelError, match=r"^path must be a file of weights, instead got path='.*weights.pth', which is n"
    ):
        load_pretrained(network, tmp_path / "weights.pth")
    with torch.device("meta"):
        network = build_model("resunet")
    path = save(build_model("resunet").state_dict(), tmp_path / "weights.pth", "zip")
    with pytest.raises(
        ModelError, match=r"^network must hold plain tensors with values, but 'encoder_high.0.weight' of"
    ):
        load_pretrained(network, path)
