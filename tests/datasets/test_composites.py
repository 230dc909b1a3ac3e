import numpy as np
import pytest

from insarflow.datasets.composites import BANDS, COMPOSITES, RANGES, bands_of, composite, scaled
from insarflow.errors import MissingVariableError

# Table 2 of the paper, as it stands there.
TABLE = {
    "RGB": ("Red", "Green", "Blue"),
    "SSD": ("VV after", "VH after", "DEM"),
    "SSS": ("VV after", "VH after", "Slope"),
    "BAD": ("VV before", "VV after", "DEM"),
    "BAS": ("VV before", "VV after", "Slope"),
    "HHH": ("VH before", "VH after", "VH after"),
    "BAA": ("VV before", "VV after", "VV after"),
    "BAC": ("VV before", "VV after", "VV after - VV before"),
    "BAH": ("VV before", "VV after", "VH after"),
}


@pytest.fixture
def bands():
    rng = np.random.default_rng(0)
    return {name: rng.standard_normal((5, 7)).astype(np.float32) for name in BANDS}


@pytest.mark.parametrize("name", TABLE)
def test_composites_are_those_of_the_table(bands, name):
    words = {band.replace("_", " ").lower(): image for band, image in bands.items()}
    wanted = []
    for word in TABLE[name]:
        first, *less = (words[part] for part in word.lower().split(" - "))
        wanted.append(first - less[0] if less else first)
    made = composite(bands, name)
    assert made.dtype == np.float32
    np.testing.assert_array_equal(made, wanted)
    only = {band: bands[band] for band in bands_of(name)}
    np.testing.assert_array_equal(composite(only, name), made)


def test_there_are_nine():
    assert set(COMPOSITES) == set(TABLE)


def test_scaling_is_the_same_for_every_place(bands):
    for name, channels in COMPOSITES.items():
        for end in (0, 1):
            image = np.array([RANGES[band][end] for band in channels], np.float32)[:, None, None]
            np.testing.assert_allclose(scaled(image, name), end, atol=1e-6)


def test_unknown_names_missing_bands_and_shapes_are_told(bands):
    with pytest.raises(ValueError, match=r"one of \('RGB', 'SSD', 'SSS', 'BAD', 'BAS', 'HHH', 'BAA', 'BAC', 'BAH'\)"):
        composite(bands, "ABC")
    with pytest.raises(
        MissingVariableError, match="BAH needs vv_before, vv_after, vh_after, instead vh_after is missing"
    ):
        composite({name: bands[name] for name in ("vv_before", "vv_after")}, "BAH")
    with pytest.raises(ValueError, match=r"one shape \(y, x\)"):
        composite({**bands, "vh_after": np.zeros((4, 4))}, "BAH")
