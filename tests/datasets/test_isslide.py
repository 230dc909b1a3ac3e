import shutil
from itertools import pairwise

import numpy as np
import pytest
import rasterio
import torch
from isslide_crops import DAYS, drawn_crop, drawn_crops, grid_at

from insarflow.datasets.isslide import ISSLIDE, write_isslide
from insarflow.datasets.isslide_layout import pair_name
from insarflow.datasets.isslide_splits import split_isslide
from insarflow.errors import OutputExistsError, ProductError, SelectionError
from insarflow.learn.augment import RandomOffset
from insarflow.learn.splits import leakage_report
from insarflow.simulate.truth import MISSING
from insarflow.types import Pair

PAIR = Pair.parse("20180702_20180708")


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    return write_isslide(tmp_path_factory.mktemp("isslide") / "ready", drawn_crops())


@pytest.fixture(scope="module")
def index(written):
    return ISSLIDE(written).index


@pytest.fixture
def small(tmp_path):
    """Two crops of Queyras in one interferogram, to be spoilt."""
    rng = np.random.default_rng(3)
    crops = [drawn_crop(rng, PAIR, move=k + 1, k=k, at=(0, 40 * k)) for k in range(2)]
    return write_isslide(tmp_path / "small", crops)


def folder(root, days="6days", zone="Queyras", pair="02Jul2018_08Jul2018"):
    return root / days / zone / pair


def test_files_lie_where_isslide_has_them(written):
    names = sorted(str(p.relative_to(written)) for p in written.rglob("*02Jul2018_08Jul2018*/**/*.tif"))
    assert "6days/Queyras/02Jul2018_08Jul2018/phase/4_0.tif" in names
    assert "6days/Queyras/02Jul2018_08Jul2018/coherence/4_0.tif" in names
    assert "6days/Queyras/Segmentations/02Jul2018_08Jul2018/4_0.tif" in names
    assert len(names) == 3 * 6
    assert pair_name(Pair.parse("20181030_20181105")) == "30Oct2018_05Nov2018"


def test_other_programs_see_what_was_meant(written):
    with rasterio.open(folder(written) / "phase" / "4_0.tif") as phase:
        assert (phase.dtypes, phase.shape, phase.crs.to_epsg()) == (("float32",), (100, 100), 4326)
        assert np.isnan(phase.nodata)
        assert np.isnan(phase.read(1)[:3]).all()
    with rasterio.open(written / "6days/Queyras/Segmentations/02Jul2018_08Jul2018/4_0.tif") as mask:
        assert mask.dtypes == ("int8",)
        assert np.unique(mask.read(1)).tolist() == [0, 1]


@pytest.mark.parametrize("placed", [True, False])
def test_what_is_written_is_read_with_the_same_bits(tmp_path, placed):
    crops = list(drawn_crops(dates=3, zones=("Queyras",), placed=placed))
    ds = ISSLIDE(write_isslide(tmp_path / "ready", crops))
    crops.sort(key=lambda c: (c.pair.delay_days, c.zone, c.pair, c.move, c.k))
    assert len(ds) == len(crops) == 2 * (2 + 1)
    for n, crop in enumerate(crops):
        row = ds.index.iloc[n]
        assert (row["zone"], row["pair"], row["move"], row["k"]) == (crop.zone, crop.pair.name, crop.move, crop.k)
        phase, coherence = ds.crop(n)
        assert phase.tobytes() == crop.phase.tobytes()
        assert coherence.tobytes() == crop.coherence.tobytes()
        mask = np.where(np.isnan(crop.phase), MISSING, crop.mask)
        assert np.array_equal(ds[n]["mask"].numpy(), mask)
        assert row["positive"] == crop.mask.mean()


def test_a_sample_holds_coherence_cos_and_sin(written):
    ds = ISSLIDE(written)
    phase, coherence = ds.crop(0)
    sample = ds[0]
    known = ~np.isnan(phase)
    assert np.array_equal(sample["image"][0].numpy()[known], coherence[known])
    for channel, function in ((1, np.cos), (2, np.sin)):
        assert np.allclose(sample["image"][channel].numpy()[known], function(phase[known].astype(float)), atol=1e-6)
    assert (sample["image"].numpy()[:, ~known] == 0).all()
    assert np.array_equal(sample["valid"].numpy(), known)
    assert {name: value.dtype for name, value in sample.items()} == {
        "image": torch.float32,
        "mask": torch.uint8,
        "valid": torch.bool,
    }
    assert ds.channels == ("coherence", "cos", "sin")


def test_snap_writes_missing_pixels_as_zeros(small):
    for band in ("phase", "coherence"):
        with rasterio.open(folder(small) / band / "1_0.tif", "r+") as file:
            values = file.read(1)
            values[50] = 0
            values[51, :50] = 0 if band == "phase" else values[51, :50]
            file.write(values, 1)
    valid = ISSLIDE(small)[0]["valid"]
    assert not valid[50].any()
    assert valid[51].all()  # a phase of 0 is a measurement


def test_rows_lie_on_one_lattice(index):
    places = index.groupby(["zone", "k"])[["y", "x"]].agg(["nunique", "first"])
    assert (places.xs("nunique", axis=1, level=1) == 1).all(axis=None)
    assert places.xs("first", axis=1, level=1).to_numpy().tolist() == [
        [30 * k, 1000 * z + 20 * k] for z in range(3) for k in range(2)
    ]


def test_crops_without_a_place_touch_their_own_alone(tmp_path):
    index = ISSLIDE(write_isslide(tmp_path / "ready", drawn_crops(dates=2, placed=False))).index
    places = index.groupby(["zone", "k"])["x"].agg(["nunique", "first"])
    assert (places["nunique"] == 1).all()
    assert sorted(places["first"]) == [200 * n for n in range(6)]


@pytest.mark.parametrize("scheme", ["published", "released"])
def test_published_splits_hold_queyras_out_and_moves_alone(index, scheme):
    split = split_isslide(index, scheme)
    train, test = split.train, split.test
    assert {*train["zone"]} == {"Ecrins", "Vanoise"}
    assert {*test["zone"]} == {"Queyras"}
    assert (train["positive"] > 0).all()
    assert (test["positive"] > 0).all()
    assert not {*train["pair"]} & {*test["pair"]}
    assert {*train["pair"]} | {*test["pair"]} == {*index["pair"]}
    assert test["pair"].nunique() == (5 if scheme == "released" else 4)  # of 7, 6 and 5 interferograms; of 18
    report = leakage_report(train, test)
    assert report.shares_acquisitions
    assert not report.shares_ground


def test_the_released_split_sorts_names_and_the_published_one_draws(index):
    train = split_isslide(index, "released").train
    first, chosen = ({*t.loc[t["delay"] == np.timedelta64(6, "D"), "folder"]} for t in (index, train))
    names = sorted({name.split("/")[-1] for name in first})
    assert names[:2] == ["01Aug2018_07Aug2018", "02Jul2018_08Jul2018"]
    assert {name.split("/")[-1] for name in chosen} == {*names[:5]}
    drawn = [tuple(split_isslide(index, "published", seed=seed).train.index) for seed in (0, 0, 1)]
    assert drawn[0] == drawn[1] != drawn[2]


def test_a_side_of_a_split_is_read(written, index):
    ds = ISSLIDE(written, split="test", scheme="released")
    assert ds.index.equals(split_isslide(index, "released").test)
    assert (ds[0]["mask"] == 1).any()


def test_published_splits_leave_30_october_out(tmp_path):
    rng = np.random.default_rng(1)
    days = [np.datetime64("2018-09-30") + np.timedelta64(6 * k, "D") for k in range(6)]
    assert str(days[5]) == "2018-10-30"
    pairs = [Pair.parse(f"{a}_{b}") for a, b in pairwise(days)]
    crops = [drawn_crop(rng, pair, zone) for pair in pairs for zone in ("Queyras", "Vanoise")]
    index = ISSLIDE(write_isslide(tmp_path / "ready", crops)).index
    for scheme in ("published", "released"):
        split = split_isslide(index, scheme)
        assert not ({*split.train["secondary"]} | {*split.test["secondary"]}) & {"20181030"}
        assert (len(split.train), len(split.test)) == (3, 1)
        assert sum(split.dropped.values()) + 4 == len(index)


@pytest.mark.parametrize(
    ("scheme", "ground", "acquisitions"),
    [("zone", False, True), ("acquisitions", True, False), ("apart", False, False)],
)
def test_other_splits_keep_what_they_promise(index, scheme, ground, acquisitions):
    split = split_isslide(index, scheme)
    report = leakage_report(split.train, split.test)
    assert (report.shares_ground, report.shares_acquisitions) == (ground, acquisitions)


def test_delays_zones_and_moves_are_chosen(written, index):
    ds = ISSLIDE(written, delays=[6, "18D"], zones=["Vanoise"], moving_only=True)
    assert {*ds.index["delay"] / np.timedelta64(1, "D")} == {6, 18}
    assert {*ds.index["zone"]} == {"Vanoise"}
    assert (ds.index["positive"] > 0).all()
    assert len(index) > len(ISSLIDE(written, moving_only=True)) > 0


def test_transforms_are_functions_of_seed_epoch_and_row(written):
    plain, ds = ISSLIDE(written), ISSLIDE(written, transforms=RandomOffset(), seed=4)
    first = ds[5]["image"]
    part = ds.at([5])
    assert torch.equal(part[0]["image"], first)
    assert not torch.equal(first, plain[5]["image"])
    assert torch.equal(first[0], plain[5]["image"][0])
    ds.set_epoch(1)
    assert not torch.equal(ds[5]["image"], first)
    assert part.epoch == 1
    with pytest.raises(SelectionError, match="labels of the index"):
        ds.at([10_000])


def spoil(root, what):
    place = folder(root)
    masks = root / "6days/Queyras/Segmentations"
    if what == "no coherence":
        shutil.rmtree(place / "coherence")
    elif what == "no masks":
        shutil.rmtree(masks / place.name)
    elif what == "masks alone":
        shutil.rmtree(place)
    elif what == "image alone":
        (masks / place.name / "2_1.tif").unlink()
    elif what == "mask alone":
        for band in ("phase", "coherence"):
            (place / band / "2_1.tif").unlink()
    elif what == "pair":
        place.rename(place.with_name("interferogram"))
        (masks / place.name).rename(masks / "interferogram")
    elif what == "delay":
        (root / "6days").rename(root / "12days")
    elif what == "name":
        for band in (place / "phase", place / "coherence", masks / place.name):
            (band / "2_1.tif").rename(band / "two.tif")
    elif what == "nothing":
        shutil.rmtree(root / "6days")


@pytest.mark.parametrize(
    ("what", "told"),
    [
        ("no coherence", "must hold coherence wherever it holds phase, instead there are none of 1_0.tif, 2_1.tif"),
        ("no masks", "must hold masks wherever it holds interferograms, instead there are none of 02Jul2018_08Jul2018"),
        ("masks alone", "must hold interferograms wherever it holds masks, instead there are none of 02Jul2018"),
        ("image alone", "must hold masks wherever it holds phase, instead there are none of 2_1.tif"),
        ("mask alone", "must hold phase wherever it holds masks, instead there are none of 2_1.tif"),
        ("pair", "must be named as a pair: .*interferogram"),
        ("delay", "must span the 12 days of its delay's folder, instead got 6"),
        ("name", "must be named by move and number, as 12_3.tif"),
        ("nothing", "holds no crop. ISSLIDE is not downloaded for you: get it from https://ieee-dataport.org"),
    ],
)
def test_a_spoilt_folder_is_told(small, what, told):
    spoil(small, what)
    with pytest.raises(ProductError, match=told):
        ISSLIDE(small)


def test_a_missing_folder_tells_where_to_get_it(tmp_path):
    with pytest.raises(ProductError, match=r"nowhere does not exist. ISSLIDE is not downloaded for you(.|\n)*phase/"):
        ISSLIDE(tmp_path / "nowhere")


def rewrite(path, values, **profile):
    height, width = values.shape[-2:]
    count = values.shape[0] if values.ndim == 3 else 1
    grid = grid_at(0, 0).transform
    with rasterio.open(
        path, "w", driver="GTiff", height=height, width=width, count=count, dtype=values.dtype, crs="EPSG:4326",
        transform=rasterio.Affine(grid[1], 0, grid[0], 0, grid[5], grid[3]), **profile,
    ) as file:  # fmt: skip
        file.write(values if values.ndim == 3 else values[None])


@pytest.mark.parametrize(
    ("values", "told"),
    [
        (np.zeros((100, 101), np.int8), "must be of 100 x 100 pixels, instead got 100 x 101"),
        (np.zeros((2, 100, 100), np.int8), "must have one band, instead got 2"),
        (np.full((100, 100), 2, np.int8), "must hold 0 and 1, instead got 2"),
        (np.full((100, 100), np.nan, np.float32), "must hold 0 and 1, instead got nan"),
        (np.zeros((100, 100), np.complex64), "must hold real numbers, instead got complex64"),
    ],
)
def test_a_mask_that_is_none_is_told(small, values, told):
    path = small / "6days/Queyras/Segmentations/02Jul2018_08Jul2018/1_0.tif"
    rewrite(path, values)
    with pytest.raises(ProductError, match=f"1_0.tif' {told}"):
        ISSLIDE(small)


def test_an_image_that_is_none_is_told(small):
    ds = ISSLIDE(small)
    path = folder(small) / "phase" / "1_0.tif"
    rewrite(path, np.full((100, 100), 128.0, np.float32))
    with pytest.raises(ProductError, match=r"must hold values within .* it is of another kind than its folder says"):
        ds[0]
    path.write_bytes(b"II*\0 and then nothing")
    with pytest.raises(ProductError, match="must be a GeoTIFF, instead it cannot be read"):
        ds[0]
    path.write_bytes(b"<VRTDataset/>")
    with pytest.raises(ProductError, match="must be a GeoTIFF"):
        ds[0]


def test_a_huge_header_is_refused_before_anything_is_allocated(small):
    ds = ISSLIDE(small)
    path = folder(small) / "coherence" / "1_0.tif"
    with rasterio.open(
        path, "w", driver="GTiff", height=200_000, width=200_000, count=1, dtype="float32", sparse_ok=True, tiled=True,
        bigtiff="yes", crs="EPSG:4326", transform=rasterio.Affine(1e-4, 0, 6, 0, -1e-4, 45),
    ):  # fmt: skip
        pass
    with pytest.raises(ProductError, match="must be of 100 x 100 pixels, instead got 200000 x 200000"):
        ds[0]
    rewrite(path, np.zeros((100, 100), np.float32), tiled=True, blockxsize=8192, blockysize=8192, sparse_ok=True)
    with pytest.raises(ProductError, match="must have blocks of at most"):
        ds[0]


def test_a_link_out_of_the_folder_is_not_followed(small, tmp_path):
    path = folder(small) / "phase" / "1_0.tif"
    outside = path.rename(tmp_path / "secret.tif")
    path.symlink_to(outside)
    with pytest.raises(ProductError, match=r"must lie in .*instead it links out of it"):
        ISSLIDE(small)
    path.unlink()
    path.symlink_to(folder(small) / "phase" / "2_1.tif")
    assert len(ISSLIDE(small)) == 2


def test_a_split_without_moves_is_told(tmp_path):
    rng = np.random.default_rng(0)
    pairs = [Pair.parse(f"{a}_{b}") for a, b in pairwise(DAYS[:6])]
    crops = [drawn_crop(rng, pair, zone, moves=zone != "Queyras") for pair in pairs for zone in ("Queyras", "Vanoise")]
    root = write_isslide(tmp_path / "ready", crops)
    with pytest.raises(SelectionError, match=r"the set to test on has no patch .left out: 5 without a move"):
        ISSLIDE(root, split="test")
    with pytest.raises(SelectionError, match="the set to test on has no mover in its 5 patches"):
        ISSLIDE(root, split="train", scheme="zone")
    with pytest.raises(SelectionError, match="of 5 crops, none shows a move"):
        ISSLIDE(root, zones=["Queyras"], moving_only=True)
    with pytest.raises(SelectionError, match="tests on the zone Queyras, which is not among zones=Vanoise"):
        ISSLIDE(root, zones=["Vanoise"], split="train")


@pytest.mark.parametrize(
    ("given", "error", "told"),
    [
        ({"split": "validation"}, ValueError, "split must be one of"),
        ({"split": "test", "scheme": "random"}, ValueError, "scheme must be one of"),
        ({"scheme": "random"}, ValueError, "scheme must be one of"),
        ({"zones": ["Alps"]}, SelectionError, r"zones that are there \(Queyras\), instead got zones=\['Alps'\]"),
        ({"zones": "Queyras"}, SelectionError, "zones must be names"),
        ({"delays": [24]}, SelectionError, "no crop is of the delays and zones"),
        ({"delays": [0.5]}, TypeError, "delay must be"),
        ({"seed": -1}, ValueError, "seed must be"),
    ],
)
def test_arguments_are_checked(small, given, error, told):
    with pytest.raises(error, match=told):
        ISSLIDE(small, **given)


def test_the_writer_takes_only_what_the_layout_holds(tmp_path):
    rng = np.random.default_rng(0)
    crop = drawn_crop(rng, PAIR)
    root = tmp_path / "out"
    for field, value, told in (
        ("phase", crop.phase[:50], "the phase of the crop 1_0 of Queyras in 20180702_20180708 must be float32 of 100"),
        ("mask", crop.mask.astype(int), "must be bool of 100 x 100 pixels, instead got int64"),
        ("zone", "../Queyras", "a zone must be words of letters and digits"),
        ("zone", "Segmentations", "a zone must be words"),
    ):
        wrong = drawn_crop(rng, PAIR)
        object.__setattr__(wrong, field, value)
        with pytest.raises(ValueError, match=told):
            write_isslide(root, [crop, wrong])
    with pytest.raises(ValueError, match="must be there once"):
        write_isslide(root, [crop, crop])
    with pytest.raises(ProductError, match="must get crops, instead there are none"):
        write_isslide(root, [])
    assert not any(tmp_path.iterdir())
    write_isslide(root, [crop])
    with pytest.raises(OutputExistsError, match="must not exist"):
        write_isslide(root, [crop])
