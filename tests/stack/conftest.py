from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine

from insarflow.stack.assemble import stack_pairs
from insarflow.types import Grid, Pair

PLACE = Affine(0.001, 0, 7.0, 0, -0.001, 46.0)

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"


@pytest.fixture(scope="session")
def real():
    """A folder of real data, or a skip where it is not at hand."""

    def folder(name):
        path = DATA / name
        if not path.is_dir():
            pytest.skip(f"the data set {name} is not beside the repository")
        return path

    return folder


@pytest.fixture
def no_compute(forbid_compute):
    """Make any computation of dask an error."""

    with forbid_compute():
        yield


@pytest.fixture
def grid():
    return Grid((7.0, 0.001, 0.0, 46.0, 0.0, -0.001), (30, 50), rasterio.crs.CRS.from_epsg(4326).to_wkt())


@pytest.fixture
def stack(grid):
    """Three interferograms in a square of four cells, with a hole."""
    rng = np.random.default_rng(3)
    cells = {}
    for name in ("20180118_20180130", "20180106_20180130", "20180106_20180118"):
        phase = rng.uniform(-np.pi, np.pi, grid.shape)
        coherence = rng.random(grid.shape, np.float32)
        phase[4:9, 5:11] = coherence[4:9, 5:11] = np.nan
        cells[Pair.parse(name)] = {"igram": np.exp(1j * phase).astype(np.complex64), "coherence": coherence}
    return stack_pairs(
        cells,
        grid,
        static={"dem": rng.normal(1000, 100, grid.shape).astype(np.float32), "water": rng.random(grid.shape) < 0.1},
        baselines={Pair.parse("20180106_20180118"): -31.5},
        attrs={"wavelength": 0.055},
    )


@pytest.fixture
def write_tif():
    """Write an array as GeoTIFF: ``write_tif(path, values, nodata=None, crs=..., transform=...)``."""

    def write(path, values, *, nodata=None, crs="EPSG:4326", transform=PLACE, **profile):
        path.parent.mkdir(parents=True, exist_ok=True)
        bands = values if values.ndim == 3 else values[None]
        count, height, width = bands.shape
        with rasterio.open(
            path,
            "w",
            driver="GTiff",
            width=width,
            height=height,
            count=count,
            dtype=values.dtype,
            crs=crs,
            transform=transform,
            nodata=nodata,
            **profile,
        ) as target:
            target.write(bands)
        return path

    return write


@pytest.fixture
def folder(tmp_path, write_tif):
    """A folder of two pairs as PyRate and GAMMA name them: unwrapped phase and coherence, 0 where missing."""
    rng = np.random.default_rng(8)
    root = tmp_path / "product"
    for name in ("20180106-20180118", "20180118-20180211"):
        unwrapped = rng.normal(0, 9, (30, 50)).astype(np.float32)
        coherence = rng.uniform(0.1, 1, (30, 50)).astype(np.float32)
        unwrapped[:3] = coherence[:3] = 0
        write_tif(root / "unw" / f"a_{name}_eqa_unw.tif", unwrapped)
        write_tif(root / "coh" / f"a_{name}_flat_eqa_cc.tif", coherence)
    write_tif(root / "dem.tif", rng.integers(1, 3000, (30, 50)).astype(np.int16), nodata=0)
    return root
