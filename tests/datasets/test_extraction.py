import dask.array as da
import geopandas as gpd
import numpy as np
import pytest
import shapely
import xarray as xr

from insarflow.datasets.extraction import TOUCHED, extract_crops
from insarflow.datasets.isslide import ISSLIDE, write_isslide
from insarflow.errors import MissingVariableError, SchemaError, SelectionError
from insarflow.learn.labels import read_labels
from insarflow.learn.patches import PatchDataset
from insarflow.learn.rasterise import rasterise
from insarflow.stack.assemble import stack_pairs
from insarflow.types import Grid, Pair

GRID = Grid((330_000.0, 15.0, 0.0, 4_990_000.0, 0.0, -15.0), (150, 230), "EPSG:32632")
PAIRS = [Pair.parse(name) for name in ("20180702_20180708", "20180708_20180714", "20180702_20180714")]


def box(x0, y0, x1, y1):
    x, dx, _, y, _, dy = GRID.transform
    return shapely.box(x + dx * x0, y + dy * y1, x + dx * x1, y + dy * y0)


OUTLINES = gpd.GeoDataFrame(
    {
        "id": [4, 11, 4],
        "date": ["2018-07-02", "2018-07-02", "2018-07-08"],
        "delay": [6, 6, 6],
    },
    geometry=[box(50.5, 40.5, 70.5, 66.5), box(180, 100, 199, 121), box(52, 42, 68, 60)],
    crs=GRID.crs,
)


@pytest.fixture(scope="module")
def stack():
    rng = np.random.default_rng(7)
    images = {}
    for pair in PAIRS:
        igram = np.exp(1j * rng.uniform(-np.pi, np.pi, GRID.shape)).astype(np.complex64)
        coherence = rng.uniform(0.2, 1, GRID.shape).astype(np.float32)
        igram[:5], coherence[60:64, 60:64], igram[70, 70] = np.nan, np.nan, 0
        chunks = (64, 64)
        images[pair] = {"igram": da.from_array(igram, chunks), "coherence": da.from_array(coherence, chunks)}
    return stack_pairs(images, GRID)


@pytest.fixture(scope="module")
def labels(stack):
    labels = read_labels(OUTLINES, stack)
    return type(labels)(labels.grid, labels.shapes, labels.table.assign(id=OUTLINES["id"]))


def test_the_same_places_are_cut_from_every_interferogram(stack, labels):
    crops = list(extract_crops(stack, labels, zone="Queyras"))
    assert [(c.pair, c.move, c.k) for c in crops] == [(p, m, k) for p in sorted(PAIRS) for k, m in enumerate((4, 11))]
    resting: dict[str, list[bool]] = {}
    for crop in crops:
        resting.setdefault(crop.pair.name, []).append(bool(crop.mask.any()))
    assert resting == {
        "20180702_20180708": [True, True],
        "20180708_20180714": [True, False],
        "20180702_20180714": [False, False],
    }


def test_crops_are_the_stack_s_pixels(stack, labels):
    whole = stack.compute()
    for crop in extract_crops(stack, labels, zone="Queyras"):
        x, _, _, y, _, _ = crop.grid.transform
        x0, y0 = round((x - GRID.transform[0]) / 15), round((GRID.transform[3] - y) / 15)
        assert crop.grid.shape == (100, 100)
        cut = whole.sel(date=crop.pair.reference, delay=crop.pair.delay)
        igram, coherence = (cut[n].values[y0 : y0 + 100, x0 : x0 + 100] for n in ("igram", "coherence"))
        missing = np.isnan(igram) | np.isnan(coherence) | (igram == 0)
        assert np.array_equal(np.isnan(crop.phase), missing)
        assert np.array_equal(crop.phase[~missing], np.angle(igram[~missing]))
        assert np.array_equal(crop.coherence[~missing], coherence[~missing])
        states = rasterise(labels, pair=crop.pair, drawing=TOUCHED)[y0 : y0 + 100, x0 : x0 + 100]
        assert np.array_equal(crop.mask, states == 1)


def test_samples_of_crops_are_the_patches_of_the_stack(stack, labels, tmp_path):
    crops = ISSLIDE(write_isslide(tmp_path / "ready", extract_crops(stack, labels, zone="Queyras")))
    patches = PatchDataset(stack, labels, patch=100, drawing=TOUCHED, least_valid=None)
    assert len(crops) == 6
    corner = crops.index.groupby("k")[["y", "x"]].first()
    # The index counts rows and columns from the first crop; the stack from its own corner.
    first = next(iter(extract_crops(stack, labels, zone="Queyras"))).grid.transform
    y, x = (
        round((GRID.transform[3] - first[3]) / 15) - corner["y"][0],
        round((first[0] - GRID.transform[0]) / 15) - corner["x"][0],
    )
    for n, row in enumerate(crops.index.itertuples()):
        patches.index = patches.index.iloc[:1].assign(pair=row.pair, y=row.y + y, x=row.x + x)
        theirs, ours = patches[0], crops[n]
        assert ours.keys() == theirs.keys()
        for name in ("mask", "valid"):
            assert np.array_equal(ours[name], theirs[name])
        assert np.array_equal(ours["image"][0], theirs["image"][0])
        assert (ours["image"] - theirs["image"]).abs().max() < 1e-6


def test_images_of_states_are_cut_too(stack, labels):
    sizes = {dim: stack.sizes[dim] for dim in ("date", "delay", "y", "x")}
    states = xr.DataArray(np.zeros(tuple(sizes.values()), np.uint8), dims=tuple(sizes))
    for pair in PAIRS:
        cell = {
            "date": stack["date"].values.tolist().index(pair.reference.astype(int)),
            "delay": stack["delay"].values.tolist().index(pair.delay.astype(int)),
        }
        states[cell] = rasterise(labels, pair=pair, drawing=TOUCHED)
    parts = list(extract_crops(stack, states, zone="Queyras"))
    ids = np.where(rasterise(labels, drawing=TOUCHED) == 1, 7, 0)
    given = list(extract_crops(stack, states, zone="Queyras", ids=ids))
    polygons = list(extract_crops(stack, labels, zone="Queyras"))
    for one, other, third in zip(parts, given, polygons, strict=True):
        assert np.array_equal(one.mask, third.mask)
        assert np.array_equal(one.phase, third.phase, equal_nan=True)
        assert (one.move, other.move) == (third.k + 1, 7)


def test_what_cannot_be_cut_is_told(stack, labels):
    with pytest.raises(MissingVariableError, match="coherence"):
        next(extract_crops(stack.drop_vars("coherence"), labels, zone="Queyras"))
    with pytest.raises(SchemaError, match=r"ids must be on the stack's .150, 230. pixels"):
        next(extract_crops(stack, labels, zone="Queyras", ids=np.zeros((3, 3), int)))
    still = xr.DataArray(np.zeros(GRID.shape, np.uint8), dims=("y", "x"))
    with pytest.raises(SelectionError, match="instead nothing moves"):
        next(extract_crops(stack, still, zone="Queyras"))
    with pytest.raises(SelectionError, match="instead nothing moves"):
        next(extract_crops(stack, labels, zone="Queyras", pairs=["20180702_20180714"]))
