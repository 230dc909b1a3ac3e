import numpy as np
import pytest
import torch
import xarray as xr

from insarflow.learn.models import build_model
from insarflow.learn.phase import CHANNELS
from insarflow.learn.weights import ModelCard, save_model
from insarflow.stack.georeference import georeference
from insarflow.types import Grid, Recipe

RECIPE = Recipe().then("goldstein", patch_size=32, step=16, alpha=0.5)


def build_card(**changes):
    values = {
        "architecture": "resunet",
        "channels": CHANNELS,
        "stride": 4,
        "reach": 37,
        "recipe": RECIPE,
        "pixel_size_m": (10.0, 40.0),
        "threshold": 0.4,
        "scores": {},
        "training": {},
        "licence": "BSD-3-Clause",
    }
    return ModelCard(**values | changes)


def random_network(in_channels=3):
    """A network whose every layer matters: untrained, it would give nearly one value everywhere."""
    with torch.random.fork_rng():
        torch.manual_seed(3)
        network = build_model("resunet", in_channels)
        with torch.no_grad():
            for module in network.modules():
                if isinstance(module, torch.nn.Conv2d):
                    module.weight.mul_(2)
                if isinstance(module, torch.nn.BatchNorm2d):
                    module.momentum = None
            for _ in range(3):
                network(torch.randn(4, in_channels, 64, 64))
    return network.eval()


def build_stack(shape=(112, 131), cells=(2, 2), seed=0):
    """A stack with fringes, noise, missing pixels along a slanted swath edge, and one absent cell."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[: shape[0], : shape[1]]
    size = (*cells, *shape)
    phase = 0.01 * (y - 40) * (x - 70) / 20 + rng.normal(0, 0.5, size)
    igram = (rng.uniform(0.5, 2, size) * np.exp(1j * phase)).astype(np.complex64)
    coherence = rng.uniform(0, 1, size).astype(np.float32)
    igram[..., x + 0.3 * y > 0.9 * shape[1]] = np.nan
    coherence[..., 10:14, 3:9] = np.nan
    igram[-1, -1] = coherence[-1, -1] = np.nan
    dims = ("date", "delay", "y", "x")
    ds = xr.Dataset({"igram": (dims, igram), "coherence": (dims, coherence)}, attrs={"recipe": RECIPE.to_json()})
    ds = ds.assign_coords(
        date=np.array(["2024-01-01", "2024-01-13"], "datetime64[ns]")[: cells[0]],
        delay=np.array([12, 24], "timedelta64[D]").astype("timedelta64[ns]")[: cells[1]],
    )
    return georeference(ds, Grid((500_000.0, 20.0, 0.0, 5_000_000.0, 0.0, -20.0), shape, "EPSG:32632"))


@pytest.fixture(scope="session")
def network():
    return random_network()


@pytest.fixture(scope="session")
def model(network, tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "random.safetensors"
    save_model(network, path, card=build_card())
    return path


@pytest.fixture(scope="session")
def stack():
    return build_stack()


@pytest.fixture(scope="session")
def make_stack():
    return build_stack


@pytest.fixture(scope="session")
def make_card():
    return build_card


def build_classifier(classes, size, channels=3):
    """Three blocks of 3 x 3 convolution and pooling, two dense layers, as in Nava et al. (2021), thinner and random."""
    nn = torch.nn
    with torch.random.fork_rng():
        torch.manual_seed(5)
        layers, width = [], channels
        for wider in (4, 6, 8):
            layers += [nn.Conv2d(width, wider, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
            width = wider
        layers += [nn.Dropout(0.5), nn.Flatten(), nn.Linear(width * (size // 8) ** 2, 12), nn.ReLU()]
        layers += [nn.Linear(12, classes)]
        network = nn.Sequential(*layers)
        with torch.no_grad():
            for layer in network:
                if isinstance(layer, nn.Conv2d | nn.Linear):
                    layer.weight.mul_(2.5)
    return network.eval()


def build_image(shape, seed=0):
    """Waves and noise."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[: shape[-2], : shape[-1]]
    return (np.sin(0.2 * y) + np.cos(0.3 * x) + rng.normal(0, 1.0, shape)).astype(np.float32)


@pytest.fixture(scope="session")
def classifiers():
    return build_classifier


@pytest.fixture(scope="session")
def make_image():
    return build_image
