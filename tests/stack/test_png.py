import numpy as np
import pytest
import rasterio
from rasterio.errors import NotGeoreferencedWarning

from insarflow.errors import ProductError
from insarflow.stack.png import read_png, write_png


def test_png_files_that_are_none_are_told(tmp_path):
    with pytest.raises(ProductError, match=r"must be a PNG image, instead it cannot be read"):
        read_png(tmp_path / "a.png")
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"\0" * 50)
    with pytest.raises(ProductError, match=r"must be a PNG image, instead it cannot be read"):
        read_png(tmp_path / "a.png")
    profile = {"driver": "PNG", "height": 4, "width": 5}
    rng = np.random.default_rng(0)
    colours = rng.integers(0, 255, (3, 4, 5)).astype(np.uint8)
    for name, bands, message in (
        ("colour", colours, r"must be grey"),
        ("deep", colours[:1].astype(np.uint16), r"must have 8 bits a band, instead got uint16"),
    ):
        file = tmp_path / f"{name}.png"
        with (
            pytest.warns(NotGeoreferencedWarning),
            rasterio.open(file, "w", count=len(bands), dtype=bands.dtype, **profile) as out,
        ):
            out.write(bands)
        with pytest.raises(ProductError, match=message):
            read_png(file)
    write_png(tmp_path / "grey.png", colours[0])
    np.testing.assert_array_equal(read_png(tmp_path / "grey.png"), colours[0])


def test_png_files_are_measured_first(tmp_path, monkeypatch):
    write_png(tmp_path / "a.png", np.zeros((20, 20), np.uint8))
    monkeypatch.setattr("insarflow.stack.png.MOST_PIXELS", 399)
    with pytest.raises(ProductError, match=r"must have at most 399 pixels, instead got 20 x 20"):
        read_png(tmp_path / "a.png")
