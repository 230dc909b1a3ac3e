import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from strategies import chunkings

from insarflow.errors import GridMismatchError, MissingVariableError
from insarflow.ops.decompose import decompose

SHAPE = (11, 14)
LOOKS = {"ascending": (-0.60, -0.12), "descending": (0.63, -0.11), "steep": (-0.35, -0.07), "left": (0.45, 0.40)}


def draw(*names, north=0.0, noise=0.0, seed=0, errors=True):
    """Tracks that see one motion, and that motion."""
    rng = np.random.default_rng(seed)
    truth = rng.normal(0, 0.05, (3, *SHAPE))
    truth[1] *= north
    tracks = []
    for name in names:
        east, northward = (np.full(SHAPE, v) + rng.uniform(-0.02, 0.02, SHAPE) for v in LOOKS[name])
        sight = np.stack([east, northward, np.sqrt(1 - east**2 - northward**2)]).astype(np.float32)
        error = noise * rng.uniform(0.5, 2, SHAPE) if noise else np.full(SHAPE, 0.01)
        velocity = (sight * truth).sum(axis=0) + (error * rng.normal(size=SHAPE) if noise else 0)
        images = {"velocity": velocity, "velocity_std": error}
        images |= dict(zip(("los_east", "los_north", "los_up"), sight, strict=True))
        track = xr.Dataset(
            {k: (("y", "x"), v.astype(np.float32)) for k, v in images.items()},
            {"y": -20.0 * np.arange(11), "x": 20.0 * np.arange(14), "spatial_ref": ((), 0, {"crs_wkt": "UTM"})},
        )
        track["velocity"].attrs = {"units": "m/yr", "grid_mapping": "spatial_ref"}
        tracks.append(track if errors else track.drop_vars("velocity_std"))
    return tracks, truth


def by_hand(tracks, row, col, parts):
    """One pixel by full matrices."""
    names = ("los_east", "los_north", "los_up") if parts == 3 else ("los_east", "los_up")
    design = np.array([[float(t[n][row, col]) for n in names] for t in tracks])
    weight = np.array([float(t["velocity_std"][row, col]) for t in tracks]) ** -2.0
    root = np.sqrt(weight)
    values = np.array([float(t["velocity"][row, col]) for t in tracks])
    solution = np.linalg.lstsq(root[:, None] * design, root * values, rcond=None)[0]
    spread = np.linalg.inv(design.T @ (weight[:, None] * design))
    return solution, np.sqrt(np.diag(spread)), np.linalg.cond(design)


@pytest.mark.parametrize(
    ("names", "north"),
    [
        (("ascending", "descending"), False),
        (("ascending", "descending", "steep"), False),
        (("ascending", "descending", "left"), True),
        (("ascending", "descending", "left", "steep"), True),
    ],
)
def test_against_full_matrices(names, north):
    tracks, _ = draw(*names, north=float(north), noise=0.004)
    result = decompose(*tracks, north=north, max_condition=1000)
    parts = ("east", "north", "up") if north else ("east", "up")
    for row, col in ((0, 0), (5, 7), (10, 13)):
        values, errors, condition = by_hand(tracks, row, col, len(parts))
        assert result["condition"][row, col] == pytest.approx(condition, rel=1e-4)
        for k, part in enumerate(parts):
            assert result[part][row, col] == pytest.approx(values[k], rel=1e-3, abs=1e-7)
            assert result[f"{part}_std"][row, col] == pytest.approx(errors[k], rel=1e-4)


def test_truth_without_noise_and_errors_with_it():
    tracks, truth = draw("ascending", "descending")
    result = decompose(*tracks)
    np.testing.assert_allclose(result["east"], truth[0], atol=1e-7)
    np.testing.assert_allclose(result["up"], truth[2], atol=1e-7)
    assert (result["east"].attrs["units"], result["east"].attrs["grid_mapping"]) == ("m/yr", "spatial_ref")
    ratios = []
    for seed in range(8):
        tracks, truth = draw("ascending", "descending", "left", north=1.0, noise=0.003, seed=seed)
        result = decompose(*tracks, north=True, max_condition=50)
        parts = zip(("east", "north", "up"), truth, strict=True)
        ratios.append([((result[part] - t) / result[f"{part}_std"]).values for part, t in parts])
    # 8 x 154 pixels: the mean square of a component has a standard deviation of 0.04.
    np.testing.assert_allclose(np.mean(np.square(ratios), axis=(0, 2, 3)), 1, atol=0.2)


def test_missing_tracks_and_bad_geometry():
    tracks, truth = draw("ascending", "descending", "steep")
    tracks[1]["velocity"][0, 0] = np.nan
    tracks[0]["velocity"][0, 1:3] = np.nan
    tracks[1]["velocity"][0, 2] = np.nan
    tracks[2]["los_up"][0, 3] = np.nan
    result = decompose(*tracks, max_condition=6)
    # Two ascending tracks alone look in too similar directions; descending and steep do not.
    assert result["condition"][0, 0] > 6
    assert np.isnan(result["east"].values[0]).tolist()[:4] == [True, False, True, False]
    assert np.isnan(result["condition"][0, 2])
    np.testing.assert_allclose(result["up"][0, 3:], truth[2, 0, 3:], atol=1e-6)
    twice = decompose(tracks[0], tracks[0])
    assert np.isnan(twice["east"]).all()
    assert float(twice["condition"].min()) > 1e3


@given(st.data())
def test_any_chunks_give_the_same_bits(data):
    tracks, _ = draw("ascending", "descending", "left", noise=0.01, north=1.0)
    whole = decompose(*tracks, north=True)
    cut = [track.chunk(dict(zip("yx", data.draw(chunkings(SHAPE)), strict=True))) for track in tracks[:2]]
    xr.testing.assert_identical(decompose(*cut, tracks[2], north=True).compute(), whole)


def test_lazy(forbid_compute):
    tracks, _ = draw("ascending", "descending", errors=False)
    with forbid_compute():
        result = decompose(*(track.chunk(y=5) for track in tracks))
    assert set(result.data_vars) == {"east", "up", "condition"}
    xr.testing.assert_identical(result.compute(), decompose(*tracks))


def test_bad_input():
    (first, second), _ = draw("ascending", "descending")
    calls = [
        (lambda: decompose(first, 3), TypeError, r"^decompose needs an xarray.Dataset, instead got int$"),
        (lambda: decompose(first, second.drop_vars("los_up")), MissingVariableError, "^decompose needs .* 'los_up'"),
        (lambda: decompose(first, second, name="speed"), MissingVariableError, "^decompose needs .* 'speed'"),
        (
            lambda: decompose(first, second, north=True),
            ValueError,
            "^north=True needs at least 3 tracks, instead",
        ),
        (lambda: decompose(first, second, max_condition=0.5), ValueError, "^max_condition must be at least 1, instead"),
        (lambda: decompose(first.expand_dims(date=2), second), ValueError, r"^velocity must have the dimensions"),
        (
            lambda: decompose(first, second.isel(x=slice(3))),
            GridMismatchError,
            "^track 2 must have .* x=3 pixels for",
        ),
        (
            lambda: decompose(first, second.assign_coords(x=second["x"] + 5)),
            GridMismatchError,
            r"^track 2 must have the first one's grid, instead got x from 5.0 to 265.0 for 0.0 to 260.0: put them",
        ),
        (
            lambda: decompose(first, second.assign_coords(spatial_ref=((), 0, {"crs_wkt": "other"}))),
            GridMismatchError,
            "^track 2 must have the first one's coordinate reference system, instead got 'other' for 'UTM'",
        ),
    ]
    for call, error, message in calls:
        with pytest.raises(error, match=message):
            call()
