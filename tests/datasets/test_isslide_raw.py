import json
import os

import geopandas as gpd
import numpy as np
import pytest
import shapely

from insarflow.datasets.isslide import ISSLIDE, write_isslide
from insarflow.datasets.isslide_layout import pair_name
from insarflow.datasets.isslide_raw import ISSLIDERaw, successive_pairs
from insarflow.errors import ProductError, SelectionError
from insarflow.learn.rasterise import rasterise
from insarflow.stack.crop import write_crop
from insarflow.types import Grid, Pair

STEP = 1.3151335759509794e-4
GRID = Grid((6.6, STEP, 0.0, 44.9, 0.0, -STEP), (130, 260), "EPSG:4326")
PAIRS = [Pair.parse(name) for name in ("20180702_20180708", "20180708_20180714", "20180702_20180714")]
BOXES = {"Queyras": [(7, (30, 40, 51, 61)), (9, (60, 45, 80, 60))], "Vanoise": [(3, (225, 80, 246, 95))]}


def box(x0, y0, x1, y1):
    x, dx, _, y, _, dy = GRID.transform
    return shapely.box(x + dx * x0, y + dy * y1, x + dx * x1, y + dy * y0)


def outline(path, rows, **columns):
    path.parent.mkdir(parents=True, exist_ok=True)
    frame = gpd.GeoDataFrame({"id": [i for i, _ in rows], **columns}, geometry=[box(*b) for _, b in rows], crs=GRID.crs)
    frame.to_file(path)


def image(path, values, columns):
    """The columns of an image that a swath holds, 0 where SNAP has no data."""
    path.parent.mkdir(parents=True, exist_ok=True)
    x, dx, _, y, _, dy = GRID.transform
    part = values[:, columns].copy()
    write_crop(path, part, Grid((x + dx * columns.start, dx, 0.0, y, 0.0, dy), part.shape, GRID.crs))


def make(root):
    """Three interferograms of two swaths; in the last, a mover of Queyras rests and Vanoise has no file."""
    rng = np.random.default_rng(2)
    phases = {}
    for pair in PAIRS:
        delay, name = f"{pair.delay_days}days", pair_name(pair)
        phase = rng.uniform(-3.1, 3.1, GRID.shape).astype(np.float32)
        coherence = rng.uniform(0.2, 1, GRID.shape).astype(np.float32)
        phase[:4], coherence[:4] = 0, 0
        phases[pair] = phase
        for band, values in (("phase", phase), ("coherence", coherence)):
            for swath, columns in ((1, slice(0, 150)), (2, slice(140, 260))):
                image(root / f"images/{delay}/SW{swath}/{band}/S1_IW{swath}_{name}_VV.tif", values, columns)
        for zone, rows in BOXES.items():
            if pair == PAIRS[2]:
                if zone == "Vanoise":
                    continue
                rows = rows[:1]
            columns = {"conf": [2] * len(rows), "nb_rep": [5] * len(rows), "type": ["Landslides"] * len(rows)}
            outline(root / f"shapes/{delay}/{name}/{zone}_moves_{delay}_{name}.shp", rows, **columns)
    outline(root / "shapes/6days/AllInOne/all.shp", BOXES["Queyras"])
    outline(root / "shapes/AllInOne/all/Queyras.shp", BOXES["Queyras"])
    return phases


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    root = tmp_path_factory.mktemp("raw")
    return root, make(root)


@pytest.fixture
def spoilt(tmp_path):
    make(tmp_path)
    return tmp_path


def opened(root, **given):
    return ISSLIDERaw(root / "images", root / "shapes", **given)


def test_twenty_dates_have_the_54_interferograms_published():
    days = [np.datetime64("2018-07-02") + np.timedelta64(6 * k, "D") for k in range(20)]
    pairs = successive_pairs(reversed(days))
    counts = [sum(pair.delay_days == days for pair in pairs) for days in (6, 12, 18)]
    assert counts == [19, 18, 17]
    assert len({*pairs}) == 54
    assert {*pairs} == {Pair.parse(f"{days[i]}_{days[i + k]}") for k in (1, 2, 3) for i in range(20 - k)}
    with pytest.raises(ValueError, match=r"steps must be"):
        successive_pairs(days, 0)


def test_both_swaths_are_one_lazy_stack(raw, forbid_compute):
    root, phases = raw
    with forbid_compute():
        data = opened(root)
    assert data.stack.sizes["x"] == 260
    for pair, phase in phases.items():
        igram = data.stack["igram"].sel(date=pair.reference, delay=pair.delay).values
        assert np.isnan(igram[:4]).all()
        assert np.allclose(np.angle(igram[4:]), phase[4:], atol=1e-6)


def test_polygons_are_there_in_their_own_interferogram(raw):
    data = opened(
        raw[0], fields={"id": "id", "confidence": "conf", "class": "type", "repetition": "nb_rep"}, levels={"2": 0.7}
    )
    assert data.zones == ("Queyras", "Vanoise")
    table = data.labels.table
    assert len(table) == 2 + 1 + 2 + 1 + 1
    assert {*table["id"]} == {3, 7, 9}
    assert np.allclose(table["confidence"], 0.7)
    assert {*table["class"]} == {"Landslides"}
    assert {*table["repetition"]} == {5}
    third = rasterise(data.labels, pair=PAIRS[2])
    assert (third[41:60, 31:50] == 1).all()
    assert not (third[50, 60:] == 1).any()
    assert data.annotated["Vanoise"] == PAIRS[:2]
    with pytest.raises(SelectionError, match=r"zone must be one of Queyras, Vanoise, instead got zone='Alps'"):
        data.of_zone("Alps")


def test_crops_are_of_every_interferogram_that_was_looked_at(raw, tmp_path):
    data = opened(raw[0])
    ds = ISSLIDE(write_isslide(tmp_path / "ready", data.crops()))
    found = ds.index.groupby(["zone", "pair"])["positive"].apply(lambda p: (p > 0).tolist()).to_dict()
    assert found == {
        ("Queyras", "20180702_20180708"): [True, True],
        ("Queyras", "20180708_20180714"): [True, True],
        ("Queyras", "20180702_20180714"): [True, True],  # 30 px apart: the crop about the one at rest shows the other
        ("Vanoise", "20180702_20180708"): [True],
        ("Vanoise", "20180708_20180714"): [True],
    }
    assert {*zip(ds.index["zone"], ds.index["move"], ds.index["k"], strict=True)} == {
        ("Queyras", 7, 0),
        ("Queyras", 9, 1),
        ("Vanoise", 3, 0),
    }
    shares = ds.index[ds.index["zone"] == "Queyras"].groupby("pair")["positive"].max()
    assert shares["20180702_20180714"] < shares["20180702_20180708"]
    phase = raw[1][PAIRS[0]]
    crop = ds.index.query("zone == 'Vanoise' and pair == '20180702_20180708'").index[0]
    angle = ds.crop(crop)[0]
    known = ~np.isnan(angle)
    # The crop ends at the image's right and lower sides.
    assert np.allclose(angle[known], phase[30:130, 160:260][known], atol=1e-6)
    assert known.all()


def test_unknown_fields_are_listed(raw):
    with pytest.raises(ProductError, match=r"has no field 'CONF', it has id, conf, nb_rep, type: see fields="):
        opened(raw[0], fields={"id": "id", "confidence": "CONF"})
    with pytest.raises(
        ValueError, match=r"fields must name the column of id, and may of confidence, repetition, class"
    ):
        opened(raw[0], fields={"id": "id", "speed": "v"})
    with pytest.raises(ValueError, match=r"fields must name the column of id"):
        opened(raw[0], fields={"confidence": "conf"})


def test_missing_folders_tell_where_to_get_them(raw, tmp_path):
    with pytest.raises(ProductError, match=r"nowhere does not exist. ISSLIDE \(raw\) is not downloaded for you"):
        ISSLIDERaw(tmp_path / "nowhere", raw[0] / "shapes")
    with pytest.raises(ProductError, match=r"holds no file of polygons. ISSLIDE"):
        ISSLIDERaw(raw[0] / "images", tmp_path)


def test_phase_without_coherence_is_told(spoilt):
    next((spoilt / "images/6days/SW2/coherence").glob("*08Jul2018_14Jul2018*")).unlink()
    with pytest.raises(
        ProductError, match=r"SW2' must hold coherence wherever it holds phase, .* none of 20180708_20180714"
    ):
        opened(spoilt)


def test_files_of_polygons_that_are_no_good_are_told(spoilt):
    folder = spoilt / "shapes/6days/02Jul2018_08Jul2018"
    good = folder / "Queyras_moves_6days_02Jul2018_08Jul2018.shp"
    outline(folder / "Queyras.shp", BOXES["Queyras"])
    with pytest.raises(ProductError, match=r"must be named by zone and days, as Queyras_6days_02Jul2018_08Jul2018.shp"):
        opened(spoilt)
    for path in folder.glob("Queyras.*"):
        path.rename(path.with_name(f"Queyras_20Jul2018_26Jul2018{path.suffix}"))
    with pytest.raises(ProductError, match=r"must be of an interferogram that is there, .* none of 20180720_20180726"):
        opened(spoilt)
    for path in folder.glob("Queyras_20*"):
        path.unlink()
    outline(good, BOXES["Queyras"][:1], conf=[1])
    frame = gpd.read_file(good)
    frame["id"] = 0
    frame.to_file(good)
    with pytest.raises(ProductError, match=r"id must be a whole number from 1 on; instead got 0 in row 0"):
        opened(spoilt)
    frame.assign(id=1).to_file(good)
    good.with_suffix(".prj").unlink()
    with pytest.raises(ProductError, match=r"must have a CRS, instead got none"):
        opened(spoilt)


def test_links_out_of_the_folder_are_not_followed(spoilt, tmp_path_factory):
    path = next((spoilt / "shapes/12days").glob("*/Queyras*.dbf"))
    outside = tmp_path_factory.mktemp("outside") / "secret.dbf"
    os.replace(path, outside)
    path.symlink_to(outside)
    with pytest.raises(ProductError, match=r"must lie in .* instead it links out of it"):
        opened(spoilt)


def test_where_it_comes_from_is_told(raw):
    data = opened(raw[0])
    assert "AllInOne" in data.origin.tree
    assert json.loads(data.stack.attrs["recipe"])[0]["operation"] == "read"
