import numpy as np
import pytest
from pyproj import CRS

from insarflow.stack.assemble import stack_pairs
from insarflow.types import Grid, Pair, Recipe

NAMES = ("20180106_20180118", "20180106_20180130", "20180118_20180130")


@pytest.fixture(scope="session")
def wide():
    """A stack whose images have overviews, with everything that files tell, in UTM; one cell of four is absent."""
    rng = np.random.default_rng(1)
    grid = Grid((330_000.0, 20.0, 0.0, 4_990_000.0, 0.0, -20.0), (530, 610), CRS.from_epsg(32632).to_wkt())
    y, x = np.mgrid[: grid.shape[0], : grid.shape[1]].astype(np.float32)
    cells = {}
    for k, name in enumerate(NAMES):
        unwrapped = 0.11 * x + 0.03 * (k + 1) * y + rng.normal(0, 0.3, grid.shape)
        coherence = rng.uniform(0.01, 1, grid.shape)
        unwrapped[100:140, 200:290] = coherence[100:140, 200:290] = np.nan
        cells[Pair.parse(name)] = {
            "igram": np.exp(1j * unwrapped).astype(np.complex64),
            "coherence": coherence.astype(np.float32),
            "unwrapped": unwrapped.astype(np.float32),
        }
    incidence, azimuth = 0.6 + 1e-4 * x, np.float32(1.75)
    static = {
        "dem": 1000 + x + y,
        "incidence": incidence,
        "los_east": -np.sin(incidence) * np.sin(azimuth),
        "los_north": np.sin(incidence) * np.cos(azimuth),
        "los_up": np.cos(incidence),
        "shadow": rng.random(grid.shape) < 0.2,
        "water": rng.random(grid.shape) < 0.4,
        "layover_shadow": np.random.default_rng(2).choice([0, 1, 2, 4, 8, 9], grid.shape).astype(np.uint8),
    }
    attrs = {
        "wavelength": 0.0555,
        "heading": -0.2142,
        "pass": "ascending",
        "platform": "S1A",
        "looks": [2, 8],
        "relative_orbit": 5,
        "acquisition_times": '{"2018-01-06": 2421.5, "2018-01-18": 2421.25, "2018-01-30": 2420.75}',
    }
    baselines = {Pair.parse(name): value for name, value in zip(NAMES, (-31.5, 12.25, 43.75), strict=True)}
    recipe = Recipe().then("read", product="made up", interferogram="phase")
    return stack_pairs(cells, grid, static=static, baselines=baselines, attrs=attrs, recipe=recipe)
