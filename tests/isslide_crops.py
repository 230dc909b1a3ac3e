"""Crops in ISSLIDE's manner, drawn."""

import numpy as np

from insarflow.datasets.crops import Crop
from insarflow.types import Grid, Pair

DAYS = [np.datetime64("2018-07-02") + np.timedelta64(6 * k, "D") for k in range(20)]
CRS = "EPSG:4326"
STEP = 1.3151335759509794e-4


def grid_at(y, x, step=STEP):
    """Of a crop whose first pixel is in a row and column of one lattice."""
    return Grid((6.5 + x * step, step, 0.0, 45.1 - y * step, 0.0, -step), (100, 100), CRS)


def drawn_crop(rng, pair, zone="Queyras", move=1, k=0, at=(0, 0), *, moves=True, placed=True):
    phase = rng.uniform(-np.pi, np.pi, (100, 100)).astype(np.float32)
    coherence = rng.uniform(0.1, 1, (100, 100)).astype(np.float32)
    phase[:3], coherence[:3] = np.nan, np.nan
    mask = np.zeros((100, 100), bool)
    if moves:
        mask[40:60, 30 : 40 + move] = True
    return Crop(zone, pair, move, k, phase, coherence, mask, grid_at(*at) if placed else None)


def drawn_crops(seed=0, *, dates=8, delays=(1, 2, 3), zones=("Ecrins", "Queyras", "Vanoise"), placed=True):
    """Two places in each zone, one of which rests in every third interferogram."""
    rng = np.random.default_rng(seed)
    for delay in delays:
        for i in range(dates - delay):
            pair = Pair(DAYS[i].astype("datetime64[ns]"), DAYS[i + delay].astype("datetime64[ns]"))
            for z, zone in enumerate(zones):
                for k in range(2):
                    at = (30 * k, 1000 * z + 20 * k)
                    yield drawn_crop(rng, pair, zone, 3 * z + k + 1, k, at, moves=k == 0 or i % 3 > 0, placed=placed)
