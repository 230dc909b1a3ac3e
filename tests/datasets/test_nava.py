import numpy as np
import pandas as pd
import pytest
import torch

from insarflow.datasets.clip_changes import RandomPose
from insarflow.datasets.composites import BANDS, COMPOSITES, composite, scaled
from insarflow.datasets.grd import simulate_nava, write_nava
from insarflow.datasets.nava import Nava
from insarflow.errors import ProductError, SelectionError
from insarflow.learn.leakage import leakage_report
from insarflow.types import Grid

SHAPE = (160, 120)


def grid_at(north):
    return Grid((600_000.0, 10.0, 0.0, north, 0.0, -10.0), SHAPE, "EPSG:32654")


def images(seed):
    rng = np.random.default_rng(seed)
    means = {"vv": -9.0, "vh": -16.0, "dem": 300.0, "slope": 0.4, "red": 0.1, "green": 0.1, "blue": 0.1}
    spread = {"vv": 2.0, "vh": 2.0, "dem": 50.0, "slope": 0.1, "red": 0.02, "green": 0.02, "blue": 0.02}
    return {
        band: rng.normal(means[band.split("_")[0]], spread[band.split("_")[0]], SHAPE).clip(
            0.0 if band in ("slope", "red", "green", "blue", "dem") else None, None
        )
        for band in BANDS
    }


CLIPS = pd.DataFrame(
    [(top, left, int(left < 40)) for top in (0, 10, 40, 70, 100, 135) for left in (0, 15, 60, 95)],
    columns=["top", "left", "label"],
)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("nava")
    for k in range(2):
        write_nava(folder, f"site{k}", images(k), grid_at(4_730_000.0 - 10_000 * k), CLIPS)
    return folder


def resized(image):
    """25 x 25 to 32 x 32, pixel by pixel: between the two nearest centres along each axis."""
    out = np.empty((len(image), 32, 32))
    for i in range(32):
        for j in range(32):
            y, x = ((k + 0.5) * 25 / 32 - 0.5 for k in (i, j))
            y, x = min(max(y, 0), 24), min(max(x, 0), 24)
            y0, x0 = min(int(y), 23), min(int(x), 23)
            a, b = y - y0, x - x0
            block = image[:, y0 : y0 + 2, x0 : x0 + 2]
            rows = block[:, 0] * (1 - a) + block[:, 1] * a
            out[:, i, j] = rows[:, 0] * (1 - b) + rows[:, 1] * b
    return out


@pytest.mark.parametrize("name", COMPOSITES)
def test_each_composite_is_read_as_it_was_written(root, name):
    data = Nava(root, composite=name)
    number = 30
    row = data.index.iloc[number]
    cut = np.s_[row.top : row.top + 25, row.left : row.left + 25]
    bands = {band: image[cut] for band, image in images(int(row.site[-1])).items()}
    sample = data[number]
    assert set(sample) == {"image", "label"}
    assert sample["label"].dtype == torch.int64
    assert sample["label"] == int(row.left < 40)
    np.testing.assert_allclose(sample["image"], resized(scaled(composite(bands, name), name)), atol=1e-5)


def test_the_split_at_random_deals_all_and_the_other_shares_no_ground(root):
    parts = {name: Nava(root, split=name).index for name in ("train", "validation", "test")}
    assert [len(rows) for rows in parts.values()] == [34, 9, 5]
    assert leakage_report(parts["train"], parts["validation"]).shares_ground
    apart = {name: Nava(root, split=name, scheme="apart").index for name in parts}
    for one, other in (("train", "validation"), ("train", "test"), ("validation", "test")):
        assert not leakage_report(apart[one], apart[other]).shares_ground


def test_linear_power_is_made_decibels(root, tmp_path):
    bands = images(0)
    power = {band: 10 ** (image / 10) if band[0] == "v" else image for band, image in bands.items()}
    power["vv_after"][:3] = 0.0
    write_nava(tmp_path, "site0", power, grid_at(4_730_000.0), CLIPS)
    linear, db = Nava(tmp_path, intensities="linear"), Nava(root)
    torch.testing.assert_close(linear[8]["image"], db[8]["image"], atol=1e-5, rtol=0)
    # No echo is missing, not the lowest of all.
    assert not linear[0]["image"][1, 0].any()
    assert linear[0]["image"][0, 0].all()
    with pytest.raises(ProductError, match=r"most of it below 0, instead its median is"):
        Nava(tmp_path)
    with pytest.raises(ProductError, match=r"must hold values within"):
        Nava(root, intensities="linear")[0]


def test_augmented_clips_keep_their_label(root):
    data = Nava(root, transforms=RandomPose())
    plain = Nava(root)
    sample = data[3]
    assert sample["label"] == plain[3]["label"]
    assert not torch.equal(sample["image"], plain[3]["image"])
    assert sample["image"].shape == (3, 32, 32)


def test_only_the_bands_of_the_composite_must_be_there(root, tmp_path):
    bands = {name: image for name, image in images(0).items() if name.startswith("vv")}
    write_nava(tmp_path, "site", bands, grid_at(4_730_000.0), CLIPS)
    assert len(Nava(tmp_path, composite="BAC")) == len(CLIPS)
    with pytest.raises(ProductError, match=r"site lacks red.tif, green.tif, blue.tif"):
        Nava(tmp_path, composite="RGB")


def test_images_without_clips_are_told(root, tmp_path):
    write_nava(tmp_path, "site", images(0), grid_at(4_730_000.0), CLIPS)
    (tmp_path / "site" / "clips.csv").unlink()
    with pytest.raises(ProductError, match=r"site lacks clips.csv"):
        Nava(tmp_path)


def test_unscaled_reflectance_is_told(tmp_path):
    bands = {name: 10_000 * images(0)[name] for name in ("red", "green", "blue")}
    write_nava(tmp_path, "site", bands, grid_at(4_730_000.0), CLIPS)
    with pytest.raises(ProductError, match=r"must hold values within \(-0.5, 3.0\)"):
        Nava(tmp_path, composite="RGB")[0]


def test_folders_without_the_data_are_told(tmp_path):
    with pytest.raises(ProductError, match=r"nowhere does not exist. Nava 2021 is not downloaded"):
        Nava(tmp_path / "nowhere")
    with pytest.raises(ProductError, match=r"has no folder with .tif files"):
        Nava(tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "row,column,class\n0,0,landslide\n200,0,other\n",
            r"row must be a whole number from 0 to 135, .*'200' in line 3",
        ),
        ("row,column,class\n0,1.5,landslide\n", "column must be a whole number from 0 to 95, .*'1.5' in line 2"),
        ("row,column,class\n0,nan,landslide\n", "column must be a whole number .*'nan' in line 2"),
        ("row,column,class\n0,0,slide\n", "class must be one of other, landslide, instead got 'slide' in line 2"),
        ("row,column\n0,0\n", "must have row, column, class"),
        ("row,column,class\n", "1 to 1000000 rows, instead got 0 rows"),
        ("", "cannot be read"),
        ("a,b\n1,2\n1,2,3\n", "cannot be read"),
        ("row,column,class\n0,0,other\n", "a landslide in none of its 1 samples"),
    ],
)
def test_bad_tables_of_clips_are_told(root, tmp_path, text, message):
    bands = {name: image for name, image in images(0).items() if name.startswith("vv")}
    write_nava(tmp_path, "site", bands, grid_at(4_730_000.0), CLIPS)
    (tmp_path / "site" / "clips.csv").write_text(text)
    with pytest.raises((ProductError, SelectionError), match=message):
        Nava(tmp_path)


def test_wrong_arguments_are_told(root, tmp_path):
    with pytest.raises(ValueError, match=r"'BAC', 'BAH'"):
        Nava(root, composite="XYZ")
    with pytest.raises(ValueError, match=r"intensities must be one of"):
        Nava(root, intensities="dn")
    with pytest.raises(ValueError, match=r"bands must be of .* instead got 'nir'"):
        write_nava(tmp_path, "a", {"nir": np.zeros(SHAPE)}, grid_at(0.0), CLIPS)
    with pytest.raises(ValueError, match=r"clips must lie inside"):
        write_nava(tmp_path, "a", images(0), grid_at(0.0), CLIPS.assign(top=136))
    with pytest.raises(ValueError, match=r"name must be letters"):
        write_nava(tmp_path, "a/b", images(0), grid_at(0.0), CLIPS)


def test_a_simulated_site_shows_its_landslides(tmp_path):
    folder = simulate_nava(tmp_path / "sim", scenes=1, shape=(200, 200), clips=40, seed=3)
    again = simulate_nava(tmp_path / "again", scenes=1, shape=(200, 200), clips=40, seed=3)
    data = Nava(folder, composite="BAC")
    torch.testing.assert_close(Nava(again, composite="BAC")[0]["image"], data[0]["image"], rtol=0, atol=0)
    label = data.index["label"].to_numpy()
    assert 0.4 <= label.mean() <= 0.6
    # Speckle alone changes other clips; scars are brighter or darker as a whole.
    changed = np.array([abs(data[k]["image"][2].numpy() - 0.5).mean() for k in range(len(data))])
    assert (changed[label == 1][:, None] > changed[label == 0]).mean() > 0.8
    with pytest.raises(ProductError, match=r"must be empty"):
        simulate_nava(folder)
