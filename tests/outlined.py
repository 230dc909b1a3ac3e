"""A simulated stack in a store, and what someone outlined on it."""

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import geopandas as gpd
import numpy as np
import shapely
from affine import Affine
from rasterio.features import shapes

import insarflow
from insarflow.types import Grid


@dataclass(frozen=True)
class Outlined:
    """Paths of a stack, of polygons of its movers, and of the ground that is held out: its right third."""

    folder: Path
    grid: Grid

    @property
    def stack(self):
        return self.folder / "stack.zarr"

    @property
    def labels(self):
        return self.folder / "mine.gpkg"

    @property
    def zone(self):
        return self.folder / "zone.gpkg"

    def write(self, path, boxes, **columns):
        """Boxes (x0, y0, x1, y1) in pixels as a file of polygons."""
        x, dx, _, y, _, dy = self.grid.transform
        outlines = [shapely.box(x + dx * a, y + dy * d, x + dx * c, y + dy * b) for a, b, c, d in boxes]
        gpd.GeoDataFrame(columns, geometry=outlines, crs=self.grid.crs).to_file(path)
        return path


def outline(folder):
    """Six acquisitions with large bubbles of phase that never rest, quick to simulate and easy to see."""
    rng = np.random.default_rng(5)
    shape, names = (128, 224), ["20210703", "20210709", "20210715", "20210721", "20210727", "20210802"]
    grid = Grid((330_000.0, 20.0, 0.0, 4_990_000.0, 0.0, -20.0), shape, "EPSG:32632")
    y, x = np.mgrid[: shape[0], : shape[1]]
    bubbles = np.zeros(shape, np.float32)
    for cy, cx in ((24, 24), (90, 40), (40, 90), (100, 110), (20, 140), (60, 196), (104, 200), (24, 210)):
        bubbles += np.exp(-((y - cy) ** 2 + (x - cx) ** 2) / 120)
    label = bubbles > 0.4
    pairs = {}
    for first, second in pairwise(names):
        noise = 0.15 * (rng.standard_normal(shape) + 1j * rng.standard_normal(shape))
        igram = (np.exp(1j * (3.0 * bubbles + rng.uniform(0, 6.28))) + noise).astype(np.complex64)
        coherence = np.full(shape, 0.85, np.float32)
        pairs[insarflow.Pair.parse(f"{first}_{second}")] = {"igram": igram, "coherence": coherence}
    attrs = {"wavelength": 0.0555, "looks": [2, 8]}
    outlined = Outlined(folder, grid)
    insarflow.write_stack(insarflow.stack_pairs(pairs, grid, attrs=attrs), outlined.stack)
    x0, dx, _, y0, _, dy = grid.transform
    place = Affine(dx, 0, x0, 0, dy, y0)
    found = [shapely.geometry.shape(s) for s, _ in shapes(label.astype(np.uint8), mask=label, transform=place)]
    gpd.GeoDataFrame({"CONF": [1.0] * len(found)}, geometry=found, crs=grid.crs).to_file(outlined.labels)
    outlined.write(outlined.zone, [(150, 0, 224, 128)])
    return outlined
