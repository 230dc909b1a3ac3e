import copy
import json

import numpy as np
import pytest
import torch
from torch import nn

import insarflow
from insarflow.errors import ModelError, OutputExistsError
from insarflow.learn.models import build_model, forget_model, register_model
from insarflow.learn.phase import CHANNELS
from insarflow.learn.weights import load_card, load_model, resolve_model
from insarflow.segment import segment
from insarflow.segment.chosen import choose
from insarflow.segment.saving import save_model
from insarflow.types import Recipe


class Net(nn.Module):
    """Stride 2, with a buffer that no file holds, and two tensors that are one."""

    def __init__(self, in_channels, wide=3):
        super().__init__()
        self.first = nn.Conv2d(in_channels, 4, wide, padding=wide // 2)
        self.again = nn.Conv2d(4, 4, 1)
        self.same = nn.Conv2d(4, 4, 1)
        self.same.weight = self.again.weight
        self.last = nn.Conv2d(4, 1, 3, padding=1)
        self.register_buffer("scale", torch.tensor([2.0]), persistent=False)

    def forward(self, x):
        x = nn.functional.max_pool2d(torch.relu(self.first(x)), 2)
        x = self.same(torch.relu(self.again(x)))
        return self.last(nn.functional.interpolate(x, scale_factor=2)) * self.scale


class Gated(Net):
    def forward(self, x):
        return super().forward(x) + x.mean((-2, -1), keepdim=True)[:, :1]


@pytest.fixture(autouse=True)
def _clean():
    yield
    for name in ("own", "gated", "other"):
        forget_model(name)


@pytest.fixture
def net():
    with torch.random.fork_rng():
        torch.manual_seed(1)
        return Net(3).eval()


HOW = {"channels": CHANNELS, "recipe": Recipe().then("goldstein", patch_size=32, step=16, alpha=0.5)}


def test_own_network_goes_to_disk_and_back(net, tmp_path, stack):
    register_model("own", Net)
    path = tmp_path / "own.safetensors"
    card = insarflow.save_model(net, path, **HOW, pixel_size_m=(10, 40), cite=["a paper"], scores={"f1": 0.5})
    assert (card.architecture, card.stride, card.reach, card.threshold) == ("own", 2, 3, 0.5)
    assert (card.pixel_size_m, card.cite, card.licence) == ((10.0, 40.0), ("a paper",), "not stated")
    assert card == load_card(path)
    state = torch.get_rng_state()
    loaded, _ = insarflow.load_model(path)
    assert torch.equal(state, torch.get_rng_state())
    x = torch.randn(1, 3, 16, 16)
    assert torch.equal(loaded(x), net(x))
    from_disk = segment(stack, path)["probability"]
    own = segment(stack, net)["probability"]
    np.testing.assert_array_equal(from_disk.values, own.values)
    assert np.isfinite(own.values).any()
    assert from_disk.attrs["threshold"] == 0.5


def test_stated_stride_and_reach_are_believed(net, tmp_path, monkeypatch):
    register_model("own", Net, stride=4, reach=9)
    monkeypatch.setattr("insarflow.segment.saving.reach", None)
    monkeypatch.setattr("insarflow.segment.chosen.reach", None)
    card = save_model(net, tmp_path / "own.safetensors", **HOW)
    assert (card.stride, card.reach, card.pixel_size_m) == (4, 9, None)
    chosen = choose(tmp_path / "own.safetensors")
    assert (chosen.stride, chosen.reach) == (4, 9)


def test_a_network_that_is_no_longer_what_it_was(net, tmp_path):
    register_model("own", Net)
    path = tmp_path / "own.safetensors"
    save_model(net, path, **HOW)
    register_model("own", lambda channels: Net(channels, 9), replace=True)
    with pytest.raises(
        ModelError, match=r"network its card names: tensor 'first.weight' must be \('F32', \(4, 3, 9, 9"
    ):
        resolve_model(path)

    class Farther(Net):
        def forward(self, x):
            return super().forward(torch.roll(nn.functional.avg_pool2d(x, 9, 1, 4), 0, 2))

    register_model("own", Farther, replace=True)
    with pytest.raises(
        ModelError, match=r"^model 'own.safetensors' has a card with stride=2 and reach=3, but its network 'own' was "
        r"found to have stride 2 and reach 7: register the network that it was saved with, or save it again$",
    ):  # fmt: skip
        choose(path)
    register_model("own", lambda channels: copy.copy(3), replace=True)
    with pytest.raises(ModelError, match=r"the factory of network 'own' must give a torch.nn.Module, instead got int"):
        load_model(path)
    forget_model("own")
    with pytest.raises(
        ModelError,
        match=r"own.json: architecture must be one of \['context-unet', .*\], instead got architecture='own': "
        r"to use another network, call insarflow.register_model\(name, factory\) in this process first, or install the "
        r"package that brings it \(entry point of the group 'insarflow.models'\)$",
    ):  # fmt: skip
        load_model(path)


def test_replaced_network_is_loaded_anew(net, tmp_path, stack):
    register_model("own", Net, stride=2, reach=4)
    path = tmp_path / "own.safetensors"
    save_model(net, path, **HOW)
    before = segment(stack, path)["probability"].values

    class Negative(Net):
        def forward(self, x):
            return -super().forward(x)

    register_model("own", Negative, stride=2, reach=4, replace=True)
    np.testing.assert_allclose(segment(stack, path)["probability"].values, 1 - before, atol=1e-6)


def test_whole_tile_layers_are_found_where_nobody_vouches(tmp_path, stack):
    register_model("gated", Gated)
    card = save_model(Gated(3), tmp_path / "gated.safetensors", **HOW)
    assert (card.stride, card.reach) == (2, 3)
    with pytest.raises(ModelError, match="has layers that look at the whole tile"):
        segment(stack, tmp_path / "gated.safetensors")


def test_one_module_given_again_is_not_changed(net, tmp_path):
    kept = copy.deepcopy(net)
    before = net.last.bias.clone()
    register_model("own", lambda channels: kept, stride=2, reach=4)
    with torch.no_grad():
        net.last.bias += 1
    save_model(net, tmp_path / "own.safetensors", **HOW)
    loaded, _ = load_model(tmp_path / "own.safetensors")
    assert torch.equal(loaded.last.bias, net.last.bias)
    assert torch.equal(kept.last.bias, before)


def test_card_alone(net, tmp_path):
    register_model("own", Net, stride=2, reach=4)
    card = save_model(net, tmp_path / "own.safetensors", **HOW)
    assert save_model(net, tmp_path / "again.safetensors", card=card) == card
    for other in ({"channels": CHANNELS}, {"threshold": 0.3}, {"peak": 0.6}, {"cite": ["x"]}, {"scores": {}}):
        with pytest.raises(ValueError, match=r"^card must be given alone, without what describes the model"):
            save_model(net, tmp_path / "third.safetensors", card=card, **other)
    with pytest.raises(OutputExistsError, match=r"again.safetensors exists: pass overwrite=True"):
        save_model(net, tmp_path / "again.safetensors", card=card)


class Odd(Net):
    def get_extra_state(self):
        return {"epoch": 3}

    def set_extra_state(self, state):
        pass


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"channels": None}, ValueError, "channels must be the names of the input channels in order"),
        (
            {"channels": "cos"},
            TypeError,
            "channels must be a sequence of texts, instead got channels='cos': put it into",
        ),
        ({"channels": ("cos", "sin")}, ModelError, r"Net must be a network with a name, .*gives it for 2 channels"),
        (
            {"channels": ("cos", "sin", "cos")},
            ModelError,
            "new.json: channels must be a list of different channel names",
        ),
        ({"recipe": None}, ValueError, "recipe must be a Recipe or the attribute .*got recipe=None"),
        ({"recipe": []}, TypeError, "recipe must be a Recipe, or its JSON text"),
        ({"recipe": "{"}, ValueError, "recipe must be a JSON list of steps"),
        (
            {"architecture": "vgg"},
            ValueError,
            r"architecture must be one of \['context-unet', .*'other', .*\], inst",
        ),
        ({"architecture": "resunet"}, ModelError, "new.safetensors does not hold the network its card names: tensor"),
        (
            {"cite": "a paper"},
            TypeError,
            "cite must be a sequence of texts, instead got cite='a paper': put it into br",
        ),
        ({"dem_licences": [3]}, ModelError, "new.json: dem_licences must be a list of texts"),
        ({"threshold": 1.5}, ModelError, "new.json: threshold must be a probability between 0 and 1"),
        ({"temperature": 0.0}, ModelError, "new.json: temperature must be a number from 0.001 to 1000"),
        ({"shift": float("nan")}, ModelError, "new.json: .*NaN is not JSON"),
        ({"pixel_size_m": (40, 10)}, ModelError, r"new.json: pixel_size_m must be \[smallest, largest\] in metres"),
        ({"normalisation": {"dem": {"mean": 0, "std": 1}}}, ModelError, "new.json: normalisation must be of the chan"),
        ({"normalisation": {"cos": {"mean": 0, "std": 0}}}, ModelError, "new.json: normalisation must be an object wi"),
        ({"scores": {"f1": object()}}, ModelError, "a model card must hold plain JSON values"),
        ({"module": "own"}, TypeError, "module must be a torch.nn.Module, instead got module='own'"),
        (
            {"module": Odd(3), "architecture": "own"},
            ModelError,
            r".*'_extra_state' of the network's state must be a plain",
        ),
        ({"module": Net(3).to("meta"), "architecture": "own"}, ModelError, ".*tensor 'first.weight' must hold values"),
        ({"module": Net(3).double(), "architecture": "own"}, ModelError, r".*must be \('F32', .*instead got \('F64'"),
        (
            {"module": nn.Conv2d(3, 1, 1)},
            ModelError,
            r"Conv2d must be a network with a name, .*register_model\('conv2d'",
        ),
    ],
)
def test_refused_and_nothing_is_left(net, tmp_path, changes, error, message):
    register_model("own", Net, stride=2, reach=4)
    register_model("other", lambda channels: nn.Conv2d(channels, 1, 7), stride=1, reach=3)
    arguments = {"module": net, "path": tmp_path / "new.safetensors", **HOW} | changes
    with pytest.raises(error, match=message):
        save_model(**arguments)
    assert list(tmp_path.iterdir()) == []


def test_two_names_for_one_network(net, tmp_path):
    register_model("own", Net, stride=2, reach=4)
    register_model("other", lambda channels: Net(channels), stride=2, reach=4)
    with pytest.raises(ModelError, match=r"^Net is built by other and own: say architecture='other', or the other$"):
        save_model(net, tmp_path / "new.safetensors", **HOW)
    save_model(net, tmp_path / "new.safetensors", **HOW, architecture="own")


# what cards ask for ------------------------------------------------------------------------------------------------


def change(path, **fields):
    card = path.with_suffix(".json")
    card.write_text(json.dumps(json.loads(card.read_text()) | fields))
    return path


@pytest.fixture
def saved(net, tmp_path):
    register_model("own", Net, stride=2, reach=4)
    path = tmp_path / "own.safetensors"
    save_model(net, path, **HOW, pixel_size_m=(10, 40))
    return path


def test_temperature_and_shift(saved, stack):
    plain = segment(stack, saved)["probability"]
    logits = np.log(plain.values.astype(float) / (1 - plain.values.astype(float)))
    change(saved, temperature=2.5, shift=-0.75)
    found = segment(stack, saved)
    expected = 1 / (1 + np.exp(-(logits - 0.75) / 2.5))
    np.testing.assert_allclose(found["probability"].values, expected, atol=2e-6)
    assert (found["probability"].attrs["temperature"], found["probability"].attrs["shift"]) == (2.5, -0.75)
    step = Recipe.from_json(found.attrs["recipe"]).steps[-1]
    assert (step["temperature"], step["shift"]) == (2.5, -0.75)
    assert "temperature" not in plain.attrs
    lazy = segment(stack.chunk(y=50, x=61), saved)["probability"]
    np.testing.assert_allclose(lazy.values, found["probability"].values, atol=1e-6)
    assert lazy.data.name != segment(stack.chunk(y=50, x=61), change(saved, shift=0.0))["probability"].data.name


def test_no_temperature_is_the_same_bits(saved, stack):
    values = segment(stack, saved)["probability"].values
    change(saved, temperature=1, shift=0, normalisation={})
    np.testing.assert_array_equal(segment(stack, saved)["probability"].values, values)


def test_normalised_channels(net, saved, stack):
    class Normalised(Net):
        def forward(self, x):
            return super().forward(
                (x - torch.tensor([0.4, 0.0, 0.0])[:, None, None]) / torch.tensor([0.2, 1, 1])[:, None, None]
            )

    network = Normalised(3)
    network.load_state_dict(net.state_dict())
    expected = segment(stack, network.eval(), stride=2)["probability"].values
    plain = segment(stack, saved)["probability"].values
    change(saved, normalisation={"coherence": {"mean": 0.4, "std": 0.2}})
    found = segment(stack, saved)["probability"]
    np.testing.assert_allclose(found.values, expected, atol=1e-6)
    assert np.nanmax(np.abs(plain - expected)) > 0.01
    assert found.attrs["normalisation"] == "(0.4, 0.2), (0.0, 1.0), (0.0, 1.0)"


def test_unknown_pixel_sizes(saved, stack):
    change(saved, pixel_size_m=None)
    unknown = segment(stack, saved)["probability"].attrs["unknown"]
    assert "pixel_size_m is unknown to the model's card" in unknown


def test_buffers_that_are_not_in_the_file_are_there_again(tmp_path):
    """Gaussian weights of the baseline: drawn by no training, kept in no file."""
    network = build_model("phase-contrast").eval()
    path = tmp_path / "baseline.safetensors"
    insarflow.save_model(network, path, architecture="phase-contrast", channels=CHANNELS, recipe=Recipe())
    again = insarflow.load_model(path)[0]
    x = torch.rand(1, 3, 40, 40, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        torch.testing.assert_close(again(x), network(x), rtol=0, atol=0)
