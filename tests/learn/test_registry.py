import importlib.metadata
import re
import sys

import pytest
import torch
from torch import nn

from insarflow.errors import ModelError
from insarflow.learn import model_files
from insarflow.learn.models import (
    Spec,
    build_model,
    forget_model,
    list_models,
    network_name,
    register_model,
    registry,
    spec_of,
    stated_spec,
)
from insarflow.learn.models.registry import BUILT_IN
from insarflow.learn.models.sizes import sizes_of


class Net(nn.Module):
    def __init__(self, in_channels):
        super().__init__()
        self.first = nn.Conv2d(in_channels, 4, 3, padding=1)
        self.last = nn.Conv2d(4, 1, 3, padding=1)

    def forward(self, x):
        return self.last(torch.relu(self.first(x)))


class Stated(Net):
    spec = Spec(1, 2)


@pytest.fixture(autouse=True)
def _clean():
    yield
    for name in {*list_models()} - {*BUILT_IN}:
        forget_model(name)


@pytest.fixture
def brought(monkeypatch):
    """``brought(name=("package", "module:object"))``: as if these packages were installed."""

    def install(points):
        found = []
        for name, package, value in points:
            point = importlib.metadata.EntryPoint(name, value, registry.GROUP)
            dist = type("Dist", (), {"name": package})()
            vars(point).update(dist=dist)
            found.append(point)
        monkeypatch.setattr(registry, "entry_points", lambda group: found if group == "insarflow.models" else [])
        registry._brought.cache_clear()

    yield install
    monkeypatch.undo()
    registry._brought.cache_clear()


def test_registered_network_is_built_by_name():
    register_model("my-net", Net)
    assert list_models() == sorted({*BUILT_IN, "my-net"})
    network = build_model("my-net", 5)
    assert network(torch.zeros(1, 5, 8, 9)).shape == (1, 1, 8, 9)
    assert build_model("my-net", 5) is not network
    assert stated_spec("my-net") is None
    with pytest.raises(ModelError, match=r"^network 'my-net' must be registered with stride and reach here, which ins"):
        spec_of("my-net")
    assert sizes_of("my-net", 2, stride=1).largest == 16
    forget_model("my-net")
    assert list_models() == sorted(BUILT_IN)


def test_stated_stride_and_reach():
    register_model("a", Net, stride=1, reach=2)
    register_model("b", Stated)
    register_model("c", Stated, stride=2, reach=3)
    assert [spec_of(name) for name in "abc"] == [Spec(1, 2), Spec(1, 2), Spec(2, 3)]


def test_again_and_instead():
    register_model("a", Net)
    register_model("a", Net)
    before = registry.replacements()
    with pytest.raises(ValueError, match=r"^name must be a new one, instead got name='a', .*Net.*: pass replace=True"):
        register_model("a", Stated)
    assert build_model("a").__class__ is Net
    register_model("a", Stated, replace=True)
    assert build_model("a").__class__ is Stated
    assert registry.replacements() == before + 1


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"name": 3}, TypeError, r"name must be a text, instead got name=3 \(int\)"),
        ({"name": "../x"}, ValueError, "name must be a letter and up to 63 letters, digits, _ and -, instead got"),
        ({"name": "a" * 65}, ValueError, "name must be a letter"),
        ({"name": "a.safetensors"}, ValueError, "name must be a letter"),
        ({"name": "resunet"}, ValueError, r"name must be none of \['context-unet', .*'default'\], which are the pack"),
        ({"name": "default"}, ValueError, "name must be none of"),
        ({"factory": nn.Conv2d(1, 1, 1)}, TypeError, "factory must be a function or class that gives a torch.nn.Mod"),
        ({"factory": "Net"}, TypeError, r"factory must be a function or class .* instead got factory='Net' \(str\)"),
        ({"stride": 4}, ValueError, "reach must be a whole positive number .* together, instead got reach=None: leave"),
        ({"stride": 0, "reach": 1}, ValueError, "stride must be a whole positive number of pixels.*got stride=0"),
        ({"stride": 1, "reach": True}, ValueError, "reach must be a whole positive number of pixels.*got reach=True"),
    ],
)
def test_what_is_not_registered(arguments, error, message):
    with pytest.raises(error, match=f"^{message}"):
        register_model(**{"name": "a", "factory": Net} | arguments)
    assert list_models() == sorted(BUILT_IN)


def test_names_of_models_are_reserved():
    assert {*model_files.NAMED} == {*registry.RESERVED}


def test_factories_that_fail():
    register_model("text", lambda channels: "network")
    with pytest.raises(
        ModelError, match=r"^the factory of network 'text' must give a torch.nn.Module, instead got str"
    ):
        build_model("text")
    register_model("one", lambda: Net(3))
    with pytest.raises(ModelError, match=r"^network 'one' cannot be built with 3 channels: TypeError: .*argument"):
        build_model("one")


def test_name_of_a_module():
    register_model("own", Net)
    register_model("wide", lambda channels: nn.Sequential(nn.Conv2d(channels, 1, 5)))
    register_model("small", lambda channels: nn.Sequential(nn.Conv2d(channels, 1, 3)))
    register_model("broken", lambda: None)
    state = torch.get_rng_state()
    for name in ("own", "wide", "small", "resunet"):
        assert network_name(build_model(name, 2), 2) == [name]
        torch.set_rng_state(state)
    assert network_name(build_model("own", 2), 3) == []
    assert network_name(nn.Sequential(nn.Conv2d(2, 1, 7)), 2) == []
    register_model("twin", lambda channels: nn.Sequential(nn.Conv2d(channels, 1, 3)))
    assert network_name(build_model("small", 2), 2) == ["small", "twin"]
    torch.set_rng_state(state)
    network_name(build_model("resunet", 2), 2)
    one = torch.get_rng_state()
    torch.set_rng_state(state)
    build_model("resunet", 2)
    assert torch.equal(one, torch.get_rng_state())


# of installed packages ------------------------------------------------------------------------------------------------


def test_entry_point_is_listed_and_imported_when_it_is_used(brought, tmp_path, monkeypatch):
    (tmp_path / "brought_net.py").write_text(
        "from torch import nn\nclass Net(nn.Conv2d):\n    def __init__(self, c):\n        super().__init__(c, 1, 1)\n"
    )
    (tmp_path / "brought_self.py").write_text(
        "from insarflow.learn.models import register_model\nfrom brought_net import Net\n"
        "register_model('itself', Net, stride=1, reach=1)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    brought([("theirs", "theirs-pkg", "brought_net:Net"), ("itself", "theirs-pkg", "brought_self:Net")])
    assert list_models() == sorted({*BUILT_IN, "itself", "theirs"})
    assert "brought_net" not in sys.modules
    assert network_name(build_model("unet", 2), 2) == ["unet"]
    assert "brought_net" not in sys.modules
    import brought_net

    assert network_name(brought_net.Net(2), 2) == ["theirs"]
    assert build_model("theirs", 2).in_channels == 2
    assert stated_spec("theirs") is None
    assert spec_of("itself") == Spec(1, 1)


def test_entry_points_that_cannot_be_used(brought):
    brought(
        [
            ("gone", "gone-pkg", "no_such_module_here:Net"),
            ("part", "part-pkg", "json:Net"),
            ("number", "number-pkg", "math:pi"),
            ("two", "first-pkg", "json:loads"),
            ("two", "second-pkg", "json:dumps"),
            ("same", "a-pkg", "json:loads"),
            ("same", "a-pkg", "json:loads"),
            ("unet", "bad-pkg", "json:loads"),
            ("../x", "bad-pkg", "json:loads"),
        ]
    )
    own = {"gone", "number", "part", "same", "two"}
    assert list_models() == sorted({*BUILT_IN} | own)
    for name, message in {
        "gone": "network 'gone' of package gone-pkg (no_such_module_here:Net) cannot be imported: ModuleNotFound",
        "part": "network 'part' of package part-pkg (json:Net) cannot be imported: AttributeError: ",
        "number": "network 'number' of package number-pkg (math:pi) cannot be used: factory must be a function",
        "two": "network 'two' is brought by package first-pkg (json:loads) and package second-pkg (json:dumps): uninst",
        "same": "network 'same' cannot be built with 3 channels: TypeError: ",
    }.items():
        with pytest.raises(ModelError, match=f"^{re.escape(message)}"):
            build_model(name)
    assert spec_of("unet").stride == 16
