import pickle

import geopandas as gpd
import numpy as np
import pytest
import shapely
import torch
from hypothesis import given
from hypothesis import strategies as st
from shapely.geometry import box
from torch.utils.data import DataLoader

from insarflow import apply_recipe, simulate_stack
from insarflow.errors import GridMismatchError, MissingVariableError, SchemaError, SelectionError, UnknownPairError
from insarflow.learn.augment import Chain, RandomOffset, RandomTurn, RandomWarp
from insarflow.learn.channels import ChannelReader
from insarflow.learn.labels import read_labels
from insarflow.learn.patch_index import balanced, starts
from insarflow.learn.patches import PatchDataset
from insarflow.learn.phase import encode
from insarflow.learn.rasterise import Drawing, rasterise
from insarflow.learn.samples import Samples, collate
from insarflow.ops.terrain import surface
from insarflow.simulate.truth import ABSENT, MISSING, MOVING, OPEN
from insarflow.stack.assemble import stack_pairs
from insarflow.stack.georeference import grid_of
from insarflow.stack.labels import pairs_of
from insarflow.stack.store import open_stack
from insarflow.stack.write import write_stack
from insarflow.types import Grid, Pair, Recipe, Window

SHAPE = (150, 170)
GOLDSTEIN = Recipe().then("goldstein", patch_size=32, step=16, alpha=0.5)
LOOKS = GOLDSTEIN.then("multilook", y=2, x=2)


@pytest.fixture(scope="module")
def simulated():
    stack, truth = simulate_stack(SHAPE, seed=4, acquisitions=4, delays=(6, 12), movers=5)
    stack = stack.load()
    stack["igram"][:, :, 40:60, 30:50] = np.nan
    stack["dem"][100:104, 100:104] = np.nan
    return stack.assign(surface(stack["dem"], grid_of(stack))[["aspect", "slope"]]), truth["label"].load() > 0


@pytest.fixture(scope="module")
def store(simulated, tmp_path_factory):
    return write_stack(simulated[0], tmp_path_factory.mktemp("patches") / "stack.zarr", exact=True)


@pytest.fixture(scope="module")
def stack(store):
    return open_stack(store)


@pytest.fixture(scope="module")
def labels(stack):
    x, step, _, y, _, down = grid_of(stack).transform
    shapes = [box(10, 10, 30, 28), box(160, 140, 170, 150), box(80, 60, 110, 100), box(120, 20, 140, 45)]
    shapes = [shapely.transform(s, lambda c: np.array([x, y]) + c * (step, down)) for s in shapes]
    about = {"status": ["confirmed", "confirmed", "confirmed", "rejected"], "confidence": [0.5, 1.0, 0.25, 1.0]}
    about |= {"first": [None, None, "20210709", None]}
    return read_labels(gpd.GeoDataFrame(about, geometry=shapes, crs=stack.rio.crs), stack)


def same(one, two):
    return one.keys() == two.keys() and all(torch.equal(one[name], two[name]) for name in one)


def test_a_sample_is_what_is_cut_out_of_the_whole_stack(stack, simulated, labels):
    patches = PatchDataset(stack, labels, patch=64, step=48)
    whole = simulated[0]
    for k in (0, 5, len(patches) - 1):
        row, sample = patches.index.iloc[k], patches[k]
        rows, columns = slice(row["y"], row["y"] + 64), slice(row["x"], row["x"] + 64)
        one = whole.sel(date=row["date"], delay=row["delay"])
        expected = encode(one["igram"].values, one["coherence"].values)[:, rows, columns]
        np.testing.assert_array_equal(sample["image"].numpy(), expected)
        (pair,) = [p for p in pairs_of(stack) if p.name == row["pair"]]
        there = (expected[1:] != 0).any(axis=0)
        states = np.where(there, rasterise(labels, pair=pair)[rows, columns], MISSING)
        np.testing.assert_array_equal(sample["mask"].numpy(), states)
        np.testing.assert_array_equal(sample["valid"].numpy(), states <= MOVING)
        assert (row["reference"], row["secondary"]) == tuple(row["pair"].split("_"))
        assert row["positive"] == pytest.approx((rasterise(labels, pair=pair)[rows, columns] == MOVING).mean())
        assert row["valid"] == pytest.approx(there.mean())
    assert {name: value.dtype for name, value in patches[0].items()} == {
        "image": torch.float32, "mask": torch.uint8, "valid": torch.bool,
    }  # fmt: skip
    assert 0 < patches.index["valid"].min() < 1


@pytest.mark.parametrize("recipe", [GOLDSTEIN, LOOKS], ids=["filter", "filter and looks"])
def test_windows_have_the_bits_of_the_processed_stack(stack, simulated, recipe, forbid_compute):
    whole = apply_recipe(simulated[0], recipe).compute()
    channels = ("coherence", "cos", "sin", "dem")
    reader = ChannelReader(stack, channels, recipe)
    height, width = reader.shape
    for cell in ((0, 0), (1, 1)):
        image = encode(whole["igram"].values[cell], whole["coherence"].values[cell])
        for y, x, side in ((0, 0, 40), (height - 33, width - 33, 33), (21, 13, 17), (35, 0, 40)):
            with forbid_compute():
                found, there = reader.read(cell, Window(y, x, side, side))
            rows, columns = slice(y, y + side), slice(x, x + side)
            np.testing.assert_array_equal(found[:3], image[:, rows, columns])
            dem = whole["dem"].values[rows, columns]
            np.testing.assert_array_equal(found[3], np.nan_to_num(dem))
            np.testing.assert_array_equal(there, (image[1:, rows, columns] != 0).any(axis=0) & np.isfinite(dem))


def test_steps_that_look_at_the_whole_region_and_lazy_stacks(stack, simulated):
    recipe = Recipe().then("deramp")
    whole = apply_recipe(simulated[0], recipe).compute()
    image = encode(whole["igram"].values[0, 0], whole["coherence"].values[0, 0])
    for source in (stack, simulated[0]):
        found, _ = ChannelReader(source, ("cos", "sin"), recipe).read((0, 0), Window(10, 20, 30, 40))
        np.testing.assert_array_equal(found, image[1:, 10:40, 20:60])
    changed = stack.assign(coherence=stack["coherence"] * 0.5)
    found, _ = ChannelReader(changed, ("coherence",), Recipe()).read((0, 0), Window(10, 20, 30, 40))
    half = np.where(np.isfinite(simulated[0]["igram"].values), simulated[0]["coherence"].values * 0.5, 0)
    np.testing.assert_array_equal(found[0], half[0, 0, 10:40, 20:60])


def test_channels_of_terrain_and_flags(stack, simulated):
    flat = stack.assign(aspect=stack["aspect"].compute())
    flat["aspect"][0:4, 0:4] = np.nan
    window = Window(0, 0, 110, 110)
    names = ("slope", "aspect_east", "aspect_north", "aspect", "los_east", "incidence", "cos")
    image, there = ChannelReader(flat, names, Recipe()).read((0, 0), window)
    azimuth = flat["aspect"].values[:110, :110]
    known = np.isfinite(azimuth)
    np.testing.assert_array_equal(image[1][known], np.sin(azimuth[known]))
    np.testing.assert_array_equal(image[2][known], np.cos(azimuth[known]))
    assert not image[1:4, ~known].any()
    assert np.isfinite(image).all()
    slope, igram = stack["slope"].values[:110, :110], simulated[0]["igram"].values[0, 0, :110, :110]
    np.testing.assert_array_equal(there, np.isfinite(slope) & np.isfinite(igram))
    assert there[0:4, 0:4].any()  # level ground misses nothing


def test_coherence_is_not_needed_unless_it_is_asked_for(stack):
    bare = stack.drop_vars("coherence")
    image, there = ChannelReader(bare, ("sin",), Recipe()).read((0, 0), Window(0, 0, 20, 20))
    assert image.shape == (1, 20, 20)
    assert there.all()
    with pytest.raises(MissingVariableError, match=r"'coherence'.*estimate it with"):
        ChannelReader(bare, ("coherence",), Recipe())
    made = Recipe().then("coherence", window=5)
    assert ChannelReader(bare, ("coherence",), made).read((0, 0), Window(0, 0, 20, 20))[0].max() > 0.3


@given(size=st.integers(1, 300), data=st.data())
def test_every_pixel_is_in_a_patch(size, data):
    patch = data.draw(st.integers(1, size))
    step = data.draw(st.integers(1, patch))
    found = starts(size, patch, step)
    held = np.zeros(size, int)
    for start in found:
        held[start : start + patch] += 1
    assert held.all()
    assert found[0] == 0
    assert found[-1] + patch == size
    assert len(set(found)) == len(found)
    assert all(start % step == 0 for start in found[:-1])


def test_the_grid_holds_every_pixel_of_every_pair(stack, labels):
    patches = PatchDataset(stack, labels, patch=64)
    for _, rows in patches.index.groupby("pair"):
        held = np.zeros(SHAPE, int)
        for y, x in rows[["y", "x"]].to_numpy():
            held[y : y + 64, x : x + 64] += 1
        assert held.all()
    assert patches.index["pair"].nunique() == 5
    unread = PatchDataset(stack, labels, patch=64, least_valid=None)
    assert unread.index["valid"].isna().all()
    assert len(unread) == len(patches)


def test_balance_on_a_grid(stack, labels):
    every = PatchDataset(stack, labels, patch=32).index
    assert 0.05 < (every["positive"] > 0).mean() < 0.4
    even = PatchDataset(stack, labels, patch=32, step=32, balance=0.5)
    index = even.index
    assert (index["positive"] > 0).mean() == 0.5
    assert (index["positive"] > 0).sum() == (every["positive"] > 0).sum()
    without = index[index["positive"] == 0]
    hard = every[(every["positive"] == 0) & (every["rejected"] > 0)]
    assert (without["rejected"] > 0).sum() == min(len(hard), len(without)) > 0
    options = {"patch": 32, "balance": 0.5, "least_valid": None}
    first, again, other = (PatchDataset(stack, labels, seed=seed, **options).index for seed in (0, 0, 1))
    assert first.equals(again)
    assert not first.equals(other)


@pytest.fixture(scope="module")
def reviewed():
    """A stack of noise, and four slopes: two confirmed, one rejected, one that nobody has looked at."""
    noise = np.random.default_rng(0).uniform(-3, 3, (2, 128, 192))
    images = {
        Pair.parse(name): {"igram": np.exp(1j * z).astype("complex64"), "coherence": np.full(z.shape, 0.5, "float32")}
        for name, z in zip(("20210703_20210709", "20210709_20210715"), noise, strict=True)
    }
    stack = stack_pairs(images, Grid((5e5, 20.0, 0.0, 5.1e6, 0.0, -20.0), (128, 192), "EPSG:32632"))
    shapes = [box(x, y, x + 12, y + 12) for x, y in ((10, 10), (60, 80), (100, 20), (150, 100))]
    shapes = [shapely.transform(s, lambda c: np.array([5e5, 5.1e6]) + c * (20, -20)) for s in shapes]
    table = gpd.GeoDataFrame({"status": ["confirmed", "confirmed", "rejected", "new"]}, geometry=shapes, crs=32632)
    return stack, read_labels(table, stack)


def test_confirmed_slopes_count_as_movers_rejected_ones_against_and_new_ones_not_at_all(reviewed):
    patches = PatchDataset(*reviewed, patch=32, step=32, weighted=True)
    counted = np.zeros((3, 2), int)
    for row, batch in zip(patches.index.itertuples(), DataLoader(Samples(patches, 3), collate_fn=collate), strict=True):
        y, x = np.mgrid[row.y : row.y + 32, row.x : row.x + 32]
        weight = (batch.weight * batch.valid)[0].numpy()
        for k, (left, top) in enumerate(((10, 10), (100, 20), (150, 100))):
            inside = (x >= left) & (x < left + 12) & (y >= top) & (y < top + 12)
            counted[k] += (weight[inside] == 1).sum(), (batch.target[0].numpy() & (weight == 1))[inside].sum()
    assert counted.tolist() == [[288, 288], [288, 0], [0, 0]]  # two pairs of 144 pixels


def test_patches_of_rejected_slopes_alone_are_drawn(reviewed):
    drawn = PatchDataset(*reviewed, patch=32, count=40, balance=0.5, seed=3).index
    hard = (drawn["positive"] == 0) & (drawn["rejected"] > 0)
    assert (drawn["positive"] > 0).sum() == 20
    # By chance alone it would be one in ten of those without a mover.
    assert 6 <= hard.sum() < 20
    every = PatchDataset(*reviewed, patch=32, step=16).index
    kept = balanced(every, 0.5, 0)
    alone = [((index["positive"] == 0) & (index["rejected"] > 0)).sum() for index in (every, kept)]
    assert alone[0] == alone[1] == 8
    assert len(kept) < len(every) / 2


def test_drawn_places(stack, labels):
    patches = PatchDataset(stack, labels, patch=32, count=24, balance=0.25, least_valid=0.5)
    index = patches.index
    assert (index["positive"] > 0).sum() == 6
    assert (index["valid"] >= 0.5).all()
    without = index[index["positive"] == 0]
    assert 0.3 < (without["rejected"] > 0).mean() < 1
    assert index.equals(PatchDataset(stack, labels, patch=32, count=24, balance=0.25, least_valid=0.5).index)
    fewer = PatchDataset(stack, labels, patch=32, count=8, balance=0.25, least_valid=0.5).index
    assert fewer.equals(index.iloc[:8])
    # The mover in the far corner is reached by the last patch.
    assert index["y"].max() == SHAPE[0] - 32
    assert index["x"].max() == SHAPE[1] - 32
    plain = PatchDataset(stack, labels, patch=32, count=24, least_valid=None).index
    assert plain["pair"].nunique() > 2
    assert plain[["y", "x"]].drop_duplicates().shape[0] > 20


def test_samples_are_a_function_of_seed_epoch_and_label(stack, labels):
    options = {"patch": 64, "transforms": Chain((RandomOffset(), RandomTurn()))}
    patches, again = (PatchDataset(stack, labels, **options) for _ in range(2))
    assert same(patches[3], again[3])
    before = patches[3]
    patches.set_epoch(1)
    assert patches.epoch == 1
    assert not same(patches[3], before)
    patches.set_epoch(0)
    part = patches.at(patches.index.iloc[[3, 1]])
    assert len(part) == 2
    assert same(part[0], before)
    assert same(patches.at([1, 3])[1], before)
    assert not same(PatchDataset(stack, labels, seed=1, **options)[3], before)


def test_a_copy_of_the_bytes_gives_the_same(store, labels):
    patches = PatchDataset(store, labels, patch=64, recipe=GOLDSTEIN, transforms=RandomOffset())
    copied = pickle.loads(pickle.dumps(patches))
    assert same(copied[5], patches[5])


@pytest.mark.parametrize("way", ["fork", "spawn"])
def test_workers_give_the_same_and_learn_of_the_epoch(store, labels, way):
    patches = PatchDataset(store, labels, patch=64, transforms=RandomOffset(), pairs=["20210703_20210709"])
    patches[0]  # the parent has read already
    loader = DataLoader(patches, 4, num_workers=1, multiprocessing_context=way, persistent_workers=True)
    for epoch in (0, 3):
        patches.set_epoch(epoch)
        for start, batch in zip(range(0, len(patches), 4), loader, strict=True):
            for k in range(len(batch["image"])):
                assert same({name: values[k] for name, values in batch.items()}, patches[start + k])
    del loader


def test_weights_move_as_the_mask_does(stack, labels):
    plain = PatchDataset(stack, labels, patch=64, weighted=True, pairs=["20210709_20210715"])
    turned = PatchDataset(
        stack, labels, patch=64, weighted=True, pairs=["20210709_20210715"],
        transforms=Chain((RandomTurn(), RandomWarp())),
    )  # fmt: skip
    moves = 0
    for k in range(len(plain)):
        one, two = plain[k], turned[k]
        assert two["weight"].dtype == torch.float32
        assert one["valid"].equal(one["mask"] <= MOVING)
        assert two["valid"].equal(two["mask"] <= MOVING)
        for sample in (one, two):
            assert set(sample["weight"][sample["mask"] == MOVING].tolist()) <= {0.25, 0.5, 1.0}
            assert set(sample["weight"][sample["mask"] == ABSENT].tolist()) <= {1.0}
        moves += not one["mask"].equal(two["mask"])
    assert moves > 3


def test_polygons_of_other_days_are_open(stack, labels):
    early = PatchDataset(stack, labels, patch=150, pairs=["20210703_20210709"])[0]
    late = PatchDataset(stack, labels, patch=150, pairs=["20210709_20210715"])[0]
    assert (early["mask"][80, 90], late["mask"][80, 90]) == (OPEN, MOVING)
    assert not early["valid"][80, 90]
    absent = PatchDataset(stack, labels, patch=150, pairs=["20210703_20210709"], drawing=Drawing(elsewhen="absent"))[0]
    assert absent["mask"][80, 90] == ABSENT


def test_truth_as_an_image(stack, simulated):
    states = (simulated[1].astype("uint8") * MOVING).drop_vars(["y", "x"])
    cells = states.expand_dims(date=stack["date"], delay=stack["delay"]).copy(deep=True)
    cells[1] = OPEN
    patches = PatchDataset(stack, cells, patch=100, least_valid=None)
    for k, row in patches.index.iterrows():
        mask = patches[k]["mask"]
        expected = OPEN if row["reference"] == "20210709" else MOVING
        assert set(mask.unique().tolist()) <= {ABSENT, expected, MISSING}
    assert PatchDataset(stack, simulated[1], patch=64, weighted=True)[0]["weight"].eq(1).all()
    assert (PatchDataset(stack, simulated[1], patch=64, count=6, balance=0.5).index["positive"] > 0).sum() == 3


def test_labels_on_other_pixels_are_told(stack, labels, simulated):
    with pytest.raises(GridMismatchError, match=r"labels must lie on the stack's grid of \(75, 85\) pixels"):
        PatchDataset(stack, labels, patch=32, recipe=LOOKS)
    with pytest.raises(GridMismatchError, match=r"labels must have the stack's size .*170.*, instead got .*100"):
        PatchDataset(stack, simulated[1][:, :100], patch=32)
    moved = simulated[1].assign_coords(x=simulated[1]["x"] + 10)
    with pytest.raises(GridMismatchError, match=r"labels must have the stack's coordinates, instead their x"):
        PatchDataset(stack, moved, patch=32)
    with pytest.raises(SchemaError, match=r"labels as an image must be uint8 or bool .* instead got float32"):
        PatchDataset(stack, simulated[1].astype("float32"), patch=32)
    with pytest.raises(SchemaError, match=r"must hold 0 \(absent\), .* instead got 255"):
        PatchDataset(stack, simulated[1].astype("uint8") * 255, patch=32)
    with pytest.raises(TypeError, match=r"labels must be those of read_labels, or a DataArray, instead got str"):
        PatchDataset(stack, "movers.gpkg", patch=32)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"patch": 151}, ValueError, "patch must fit into the image of 150 by 170 pixels, instead got patch=151"),
        ({"step": 65}, ValueError, "step must be"),
        ({"step": 32, "count": 5}, ValueError, "give one, instead got step=32, count=5"),
        ({"balance": 1.5}, ValueError, "balance must be"),
        ({"channels": ()}, ValueError, "channels must be names that differ, at least one"),
        ({"channels": ("cos", "cos")}, ValueError, "channels must be names that differ"),
        ({"channels": ("cos", "aspect_sin")}, MissingVariableError, "one of .*aspect_east.*, instead got 'aspect_sin'"),
        ({"channels": ("plan_curvature",)}, MissingVariableError, "'plan_curvature'.*; add it with insarflow.terr"),
        ({"channels": ("unwrapped",)}, MissingVariableError, "needs the variable 'unwrapped'"),
        ({"channels": ("igram",)}, ValueError, "a channel must hold real numbers .* instead got 'igram' of complex64"),
        ({"pairs": ["20210703_20210801"]}, UnknownPairError, "is not in the stack"),
        ({"pairs": []}, SelectionError, "pairs must name an interferogram at least"),
        ({"pairs": ["20210703_20210709"], "least_valid": 1.0, "patch": 150}, SelectionError, "lower it"),
        ({"count": 3, "balance": 0.0, "patch": 150, "least_valid": None}, SelectionError, "no patch without a mover"),
        ({"balance": 0.5, "patch": 150}, SelectionError, "balance=0.5 is out of reach, .* is without a mover"),
        ({"recipe": "goldstein"}, TypeError, "recipe must be an insarflow.Recipe"),
        ({"drawing": {"border": 1}}, TypeError, "drawing must be a Drawing"),
    ],
)  # fmt: skip
def test_bad_arguments_are_told(stack, labels, options, error, message):
    with pytest.raises(error, match=message):
        PatchDataset(stack, labels, **{"patch": 64, **options})


def test_rows_that_are_not_there_are_told(stack, labels):
    patches = PatchDataset(stack, labels, patch=64)
    with pytest.raises(
        SelectionError, match="rows must be labels of the index, at least one, instead got the label 999"
    ):
        patches.at([0, 999])
    with pytest.raises(SelectionError, match="instead got none"):
        patches.at([])
    with pytest.raises(ValueError, match="epoch must be"):
        patches.set_epoch(-1)
