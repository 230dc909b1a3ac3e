import shutil

import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr
from torch.utils.data import DataLoader

from insarflow.datasets.averaged import simulate_drs_unet, write_drs_unet
from insarflow.datasets.drs_unet import CHANNELS, DRsUNet, standardised
from insarflow.datasets.fusion import COLOUR
from insarflow.datasets.rasters import starts, write_rasters
from insarflow.errors import GridMismatchError, MissingVariableError, ProductError, SelectionError
from insarflow.learn.augment import RandomOffset
from insarflow.learn.leakage import leakage_report
from insarflow.ops.average import average
from insarflow.stack.assemble import stack_pairs
from insarflow.types import Grid, Pair

UTM = "EPSG:32632"
SHAPE = (260, 200)


def grid_at(north, shape=SHAPE, crs=UTM):
    return Grid((330_000.0, 20.0, 0.0, north, 0.0, -20.0), shape, crs)


def a_stack(seed, north):
    """Five acquisitions every 12 days over a cone; what moves, moves at its middle."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    away = np.hypot(y - 130, x - 100)
    moves = np.exp(-((away / 20) ** 2))
    days = [f"202107{3 + 12 * k:02d}" for k in range(3)]
    pairs = {}
    for i, j in ((0, 1), (1, 2), (0, 2)):
        angle = 0.9 * (j - i) * moves + 0.2 * rng.standard_normal(SHAPE)
        igram = (2.0 * np.exp(1j * angle)).astype(np.complex64)
        igram[:3] = np.nan + 1j * np.nan
        pairs[Pair.parse(f"{days[i]}_{days[j]}")] = {"igram": igram, "coherence": np.full(SHAPE, 0.5, "float32")}
    static = {"dem": (1000 - 2 * away).astype(np.float32)}
    stack = stack_pairs(pairs, grid_at(north), static=static)
    return stack, xr.DataArray(away < 20, dims=("y", "x"))


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("drs")
    for k, north in enumerate((5_000_000.0, 4_990_000.0, 4_980_000.0)):
        ds, mask = a_stack(k, north)
        write_drs_unet(folder, f"area{k}_ascending", ds, mask)
        shutil.copytree(folder / f"area{k}_ascending", folder / f"area{k}_descending")
    return folder


def test_the_layout_is_read_as_it_was_written(root):
    ds, mask = a_stack(0, 5_000_000.0)
    mean = average(ds).load()
    patches = DRsUNet(root, channels=CHANNELS)
    assert set(patches.index["delay"]) == {12, 24}
    row = patches.index.query("region == 'area0_ascending' and delay == 24 and top == 64 and left == 64").iloc[0]
    sample = patches.read(row)
    cut = np.s_[64:192, 64:192]
    phase = np.angle(mean["igram"].sel(delay=np.timedelta64(24, "D")).values[cut])
    image = dict(zip(CHANNELS, sample["image"].numpy(), strict=True))
    np.testing.assert_allclose(image["cos"], np.cos(phase), atol=1e-6)
    np.testing.assert_allclose(image["sin"], np.sin(phase), atol=1e-6)
    # 2 over 0.5: what interferograms of intensity 4 and coherence 0.5 have.
    np.testing.assert_allclose(image["intensity"], 10 * np.log10(4.0), atol=1e-4)
    np.testing.assert_array_equal(image["dem"], ds["dem"].values[cut])
    steep = abs(np.hypot(*np.mgrid[64 - 130 : 192 - 130, 64 - 100 : 192 - 100])) > 10
    np.testing.assert_allclose(image["slope"][steep], np.arctan(2 / 20), atol=2e-3)
    np.testing.assert_array_equal(sample["mask"], mask.values[cut])


def test_curvature_of_a_bowl_and_of_a_plain():
    from insarflow.datasets.averaged import _terrain

    y, x = np.mgrid[:41, :41]
    bowl = -1e-4 * ((20 * (y - 20)) ** 2 + (20 * (x - 20)) ** 2) / 2
    for height, wanted in ((bowl, 2e-4), (0.0 * y, 0.0)):
        made = _terrain(xr.DataArray(height.astype(np.float32), dims=("y", "x")), grid_at(5e6, (41, 41)))
        np.testing.assert_allclose(made["curvature"].values[21:23, 19:22], wanted, rtol=0.01, atol=1e-7)
        assert made["curvature"].values[20, 20] == 0  # level


def test_patches_overlap_by_half_and_reach_the_far_side():
    assert starts(128, 128, 64) == [0]
    assert starts(260, 128, 64) == [0, 64, 128, 132]


def test_samples_are_standardised_channel_by_channel(root):
    patches = DRsUNet(root, channels=("intensity", "cos", "sin", "dem", "curvature"))
    for number in (0, len(patches) // 2):
        sample = patches[number]
        there = sample["mask"] != 3
        assert (~there).sum() > 0 or number
        known = sample["image"][:, there].double()
        # The intensity is the same everywhere here, so it says nothing.
        assert not sample["image"][0].any()
        torch.testing.assert_close(known[1:].mean(1), torch.zeros(4, dtype=torch.float64), atol=1e-5, rtol=0)
        torch.testing.assert_close(
            known[1:].var(1, correction=0), torch.ones(4, dtype=torch.float64), atol=1e-4, rtol=0
        )
        assert not sample["image"][:, ~there].any()
        assert torch.equal(sample["valid"], sample["mask"] < 2)


def test_nothing_known_is_nothing():
    image = torch.full((2, 4, 4), 7.0)
    assert not standardised(image, torch.zeros((4, 4), dtype=torch.bool)).any()


def test_colours_are_those_of_the_wheel(root, tmp_path):
    phase = np.tile(np.array([0.0, 2 * np.pi / 3, -2 * np.pi / 3, np.pi / 3], np.float32), (128, 32))
    bright = np.repeat(np.array([1.0, 100.0], np.float32), 64)[:, None] * np.ones((1, 128), np.float32)
    mask = np.zeros((128, 128), np.uint8)
    mask[0] = 1
    write_rasters(tmp_path / "a", {"phase_12days": phase, "intensity": bright, "mask": mask}, grid_at(5e6, (128, 128)))
    patches = DRsUNet(tmp_path, channels=COLOUR)
    image = patches.read(patches.index.iloc[0])["image"].numpy()
    np.testing.assert_allclose(image[:, 64, :4].T, [[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0]], atol=1e-5)
    assert not image[:, 0].any()


def test_the_published_split_is_reproducible_and_leaks_and_the_other_does_not(root):
    parts = {name: DRsUNet(root, split=name, seed=3).index for name in ("train", "validation", "test")}
    whole = DRsUNet(root).index
    assert [len(p) for p in parts.values()] == [round(share * len(whole)) for share in (0.7, 0.2, 0.1)]
    assert sorted(np.concatenate([p.index for p in parts.values()])) == whole.index.tolist()
    assert parts["test"].equals(DRsUNet(root, split="test", seed=3).index)
    leaked = leakage_report(parts["train"], parts["test"])
    assert leaked.shares_ground
    assert leaked.split.patches_over == leaked.split.patches[1]
    apart = {name: DRsUNet(root, split=name, scheme="apart").index for name in parts}
    for one, other in (("train", "validation"), ("train", "test"), ("validation", "test")):
        report = leakage_report(apart[one], apart[other])
        assert not report.shares_ground
        assert report.split.patches_over == 0
    # Both tracks of an area are on one side.
    for rows in apart.values():
        assert (rows.groupby(["y", "x", "delay"]).size() == 2).all()


def test_two_tracks_lie_on_common_ground_and_two_areas_do_not(root):
    index = DRsUNet(root).index
    by_region = {name: set(zip(rows.y, rows.x, strict=True)) for name, rows in index.groupby("region")}
    assert by_region["area0_ascending"] == by_region["area0_descending"]
    assert not by_region["area0_ascending"] & by_region["area1_ascending"]


def test_belts_in_degrees_where_regions_have_several_systems(root, tmp_path):
    shutil.copytree(root, tmp_path / "data")
    ones = np.ones(SHAPE, np.float32)
    images = {"phase_12days": 0 * ones, "intensity": ones, "mask": ones.astype(np.uint8)}
    write_rasters(tmp_path / "data" / "east", images, grid_at(4_990_000.0, crs="EPSG:32633"))
    index = DRsUNet(tmp_path / "data").index
    assert index["south"].between(44.5, 45.5).all()
    assert (index["south"] < index["north"]).all()
    near, far = index[index["region"] == "east"], index[index["region"] != "east"]
    assert leakage_report(near, far).split.pixels == 0


def test_a_sample_is_a_function_of_seed_epoch_and_row(root):
    patches = DRsUNet(root, transforms=RandomOffset(), seed=5)
    first = patches[4]["image"]
    assert torch.equal(first, patches.at(patches.index.iloc[4:5])[0]["image"])
    patches.set_epoch(1)
    assert not torch.equal(first, patches[4]["image"])
    loaded = next(iter(DataLoader(patches, batch_size=5)))
    assert loaded["image"].shape == (5, 3, 128, 128)
    assert torch.equal(loaded["image"][4], patches[4]["image"])


def test_large_data_sets_are_read_by_windows_with_the_same_bits(root, monkeypatch):
    held = DRsUNet(root)
    monkeypatch.setattr("insarflow.datasets.rasters.MOST_HELD", 1)
    windows = DRsUNet(root)
    assert all(region.held is None for region in windows.regions.values())
    assert torch.equal(held[7]["image"], windows[7]["image"])


def test_a_place_without_the_data_is_told(tmp_path):
    with pytest.raises(ProductError, match=r"nowhere does not exist. DRs-UNet is not downloaded"):
        DRsUNet(tmp_path / "nowhere")
    with pytest.raises(ProductError, match=r"has no folder with .tif files"):
        DRsUNet(tmp_path)


def test_missing_bands_and_wrong_values_are_told(root, tmp_path):
    data = tmp_path / "data"
    shutil.copytree(root, data)
    (data / "area1_ascending" / "mask.tif").unlink()
    with pytest.raises(ProductError, match=r"area1_ascending lacks mask.tif"):
        DRsUNet(data)
    (data / "area1_ascending" / "curvature.tif").unlink()
    with pytest.raises(ProductError, match=r"lacks mask.tif, curvature.tif"):
        DRsUNet(data, channels=("cos", "sin", "curvature"))
    shutil.copytree(root / "area1_ascending", data / "area1_ascending", dirs_exist_ok=True)
    write_rasters(data / "area1_ascending", {"mask": np.full(SHAPE, 255, np.uint8)}, grid_at(4_990_000.0))
    with pytest.raises(ProductError, match=r"must hold states from 0 to 3, instead got 255"):
        DRsUNet(data)
    write_rasters(data / "area1_ascending", {"mask": np.zeros((200, 200), np.uint8)}, grid_at(4_990_000.0, (200, 200)))
    with pytest.raises(GridMismatchError, match=r"mask.tif must lie on the pixels of phase_12days.tif"):
        DRsUNet(data)
    write_rasters(data / "area1_ascending", {"mask": np.zeros(SHAPE, np.uint8)}, grid_at(4_990_000.0))
    degrees = {"phase_12days": np.full(SHAPE, 90.0, np.float32)}
    write_rasters(data / "area1_ascending", degrees, grid_at(4_990_000.0))
    with pytest.raises(ProductError, match=r"must hold values within \(-3.14"):
        DRsUNet(data)
    (data / "area1_ascending" / "phase_xdays.tif").write_bytes(b"")
    with pytest.raises(ProductError, match=r"'phase_xdays.tif', whose name tells no delay"):
        DRsUNet(data)


def test_a_mask_without_an_image_is_told(tmp_path):
    write_rasters(tmp_path / "a", {"mask": np.zeros(SHAPE, np.uint8)}, grid_at(5e6))
    with pytest.raises(ProductError, match=r"a lacks phase_12days.tif"):
        DRsUNet(tmp_path)


def test_too_small_a_region_and_no_mover_are_told(tmp_path):
    small = np.zeros((100, 200), np.float32)
    images = {"phase_12days": small, "intensity": small + 1, "mask": small.astype(np.uint8)}
    write_rasters(tmp_path / "a", images, grid_at(5e6, (100, 200)))
    with pytest.raises(ProductError, match=r"128 to 65536 rows and columns"):
        DRsUNet(tmp_path)
    large = np.zeros((128, 256), np.float32)
    images = {"phase_12days": large, "intensity": large + 1, "mask": large.astype(np.uint8)}
    write_rasters(tmp_path / "a", images, grid_at(5e6, (128, 256)))
    with pytest.raises(SelectionError, match=r"the data set has a mover in none of its 3 samples"):
        DRsUNet(tmp_path)
    with pytest.raises(SelectionError, match=r"the test set has no sample"):
        DRsUNet(tmp_path, split="test")
    images["phase_12days"] = np.full((128, 256), np.nan, np.float32)
    write_rasters(tmp_path / "a", images, grid_at(5e6, (128, 256)))
    for scheme in ("random", "apart"):
        with pytest.raises(SelectionError, match=r"the train set has no sample"):
            DRsUNet(tmp_path, split="train", scheme=scheme)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"channels": ("cos", "hue")}, "channels must be one of"),
        ({"channels": ("cos", "cos")}, "channels must be different names"),
        ({"split": "val"}, "split must be one of"),
        ({"scheme": "published"}, "scheme must be one of"),
        ({"seed": -1}, "seed must be a whole number"),
    ],
)
def test_wrong_arguments_are_told(root, given, message):
    with pytest.raises(ValueError, match=message):
        DRsUNet(root, **given)


def test_what_cannot_be_written_is_told(tmp_path):
    ds, mask = a_stack(0, 5e6)
    with pytest.raises(ValueError, match=r"name must be letters"):
        write_drs_unet(tmp_path, "../out", ds, mask)
    with pytest.raises(SelectionError, match=r"pairs of \[6\] days, instead got delays of \[12, 24\]"):
        write_drs_unet(tmp_path, "a", ds, mask, delays=[6])
    with pytest.raises(MissingVariableError, match=r"give intensity="):
        write_drs_unet(tmp_path, "a", ds.drop_vars("coherence"), mask)
    with pytest.raises(ValueError, match=r"mask must hold states"):
        write_drs_unet(tmp_path, "a", ds, mask.astype("uint8") * 255)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").write_text("")
    with pytest.raises(ProductError, match=r"must be empty"):
        simulate_drs_unet(tmp_path / "full")


def test_amplitude_is_the_intensity_where_there_is_one(tmp_path):
    ds, mask = a_stack(0, 5e6)
    given = ds.assign(amplitude=abs(ds["igram"]).astype("float32") * 3)
    write_drs_unet(tmp_path, "a", given, mask, delays=[12])
    patches = DRsUNet(tmp_path, channels=("intensity",))
    assert set(patches.index["delay"]) == {12}
    np.testing.assert_allclose(patches.read(patches.index.iloc[-1])["image"], 10 * np.log10(36.0), rtol=1e-5)


def test_simulated_regions_are_a_data_set(tmp_path):
    folder = simulate_drs_unet(tmp_path / "sim", scenes=1, shape=(192, 128), acquisitions=3, movers=4, seed=2)
    patches = DRsUNet(folder, channels=CHANNELS)
    assert set(patches.index["region"]) == {"scene00_ascending", "scene00_descending"}
    assert isinstance(patches.index, pd.DataFrame)
    assert (patches.index["positive"] > 0).any()
    sample = patches[0]
    assert torch.isfinite(sample["image"]).all()
    assert sample["valid"].float().mean() > 0.5
