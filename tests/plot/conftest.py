import matplotlib
import numpy as np
import pytest
from matplotlib import pyplot
from pyproj import CRS

import insarflow
from insarflow.stack.assemble import stack_pairs
from insarflow.types import Grid, Pair

UTM = CRS.from_epsg(32632).to_wkt()


@pytest.fixture(autouse=True)
def no_windows():
    """Figures without a display, closed after each test."""
    matplotlib.use("agg")
    yield
    pyplot.close("all")


@pytest.fixture(scope="session")
def region():
    ds, truth = insarflow.simulate_stack((40, 60), acquisitions=4, delays=[6, 12], movers=4)
    return ds.persist(), truth.load()


@pytest.fixture(scope="session")
def ds(region):
    return region[0]


@pytest.fixture
def make():
    """``make({"20210703_20210709": image}, ...)``: a stack of these interferograms on a grid of 20 m."""

    def build(images, *, baselines=None, coherence=None, step=20.0, crs=UTM):
        shape = next(iter(images.values())).shape
        grid = Grid((330_000.0, step, 0.0, 4_990_000.0, 0.0, -step), shape, crs)
        cells = {Pair.parse(name): {"igram": np.asarray(z, np.complex64)} for name, z in images.items()}
        for name, value in (coherence or {}).items():
            cells[Pair.parse(name)]["coherence"] = np.full(shape, value, np.float32)
        known = None if baselines is None else {Pair.parse(name): b for name, b in baselines.items()}
        return stack_pairs(cells, grid, baselines=known)

    return build
