import os

import numpy as np
import pytest

from insarflow.errors import ProductError
from insarflow.stack.readers.gacos import find_delays, read_delay
from insarflow.types import Window

HEADER = {
    "WIDTH": "7", "FILE_LENGTH": "5", "XMIN": "0", "XMAX": "7", "YMIN": "0", "YMAX": "5",
    "X_FIRST": "7.5", "Y_FIRST": "46.25", "X_STEP": "0.125", "Y_STEP": "-0.25", "X_UNIT": "degres",
    "Z_OFFSET": "0", "Z_SCALE": "1", "PROJECTION": "LATLON", "DATUM": "WGS84", "TIME_OF_DAY": "12.35UTC",
}  # fmt: skip


def write(folder, name="20210703.ztd", values=None, **fields):
    """A file of 5 x 7 delays and its header, with some fields changed, or left out where None."""
    values = np.linspace(2, 2.3, 35).reshape(5, 7) if values is None else values
    folder.mkdir(parents=True, exist_ok=True)
    values.astype("<f4").tofile(folder / name)
    kept = {key: value for key, value in {**HEADER, **fields}.items() if value is not None}
    (folder / f"{name}.rsc").write_text("".join(f"{key:12} {value}\n" for key, value in kept.items()))
    return folder / name


def test_pixels_lie_where_the_header_says(tmp_path):
    values = np.random.default_rng(0).uniform(2, 2.5, (5, 7)).astype(np.float32)
    values[3, 2] = 0
    pixels = read_delay(write(tmp_path, values=values))
    grid = pixels.raster.grid
    np.testing.assert_array_equal(grid.x, 7.5 + 0.125 * np.arange(7))
    np.testing.assert_array_equal(grid.y, 46.25 - 0.25 * np.arange(5))
    expected = np.where(values == 0, np.nan, values)
    for window in (Window(0, 0, 5, 7), Window(3, 2, 1, 1), Window(1, 3, 4, 4)):
        read = pixels.read(window)
        assert read.dtype == np.float32
        np.testing.assert_array_equal(read, expected[window.y0 : window.y1, window.x0 : window.x1])


def test_scale_and_offset_of_the_header_hold(tmp_path):
    pixels = read_delay(write(tmp_path, values=np.full((5, 7), 200.0), Z_SCALE="0.01", Z_OFFSET="0.25"))
    np.testing.assert_allclose(pixels.read(Window(0, 0, 5, 7)), 2.25, rtol=1e-6)
    bare = {
        key: None for key in HEADER if key not in ("WIDTH", "FILE_LENGTH", "X_FIRST", "Y_FIRST", "X_STEP", "Y_STEP")
    }
    assert read_delay(write(tmp_path, **bare)).raster.scale == 1.0


def test_folders_globs_and_lists(tmp_path, write_tif):
    first = write(tmp_path / "a", "20210709.ztd")
    second = write_tif(tmp_path / "a" / "deep" / "20210703.ztd.tif", np.full((3, 3), 2.3, np.float32))
    third = write(tmp_path / "b", "20210715.ZTD")
    for name in ("._20210703.ztd", "20211399.ztd", "20210703.ztd.jpg", "20210721_ztd.tif", "20210721.sltd.geo.tif"):
        (tmp_path / "a" / name).touch()
    found = find_delays(tmp_path)
    assert list(found.values()) == [second, first, third]
    assert [str(day)[:10] for day in found] == ["2021-07-03", "2021-07-09", "2021-07-15"]
    assert find_delays([tmp_path / "a", str(tmp_path / "b")]) == found
    assert find_delays(str(tmp_path / "**" / "*")) == found
    assert find_delays([first, first, f"{first}.rsc", second, third]) == found
    assert list(find_delays(str(tmp_path / "*" / "*.ztd*")).values()) == [first]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"WIDTH": None}, r"must have 1 numbers in the field 'WIDTH', instead got ''$"),
        ({"X_STEP": "abc"}, r"must have 1 numbers in the field 'X_STEP', instead got 'abc'$"),
        ({"Y_FIRST": "nan"}, r"must have 1 numbers in the field 'Y_FIRST', instead got 'nan'$"),
        ({"WIDTH": "0"}, r"must have WIDTH and FILE_LENGTH of 1 to 4194304, instead got 0 and 5: download it again$"),
        ({"WIDTH": "7.5"}, r"must have WIDTH and FILE_LENGTH of 1 to 4194304, instead got 7.5 and 5: download it a"),
        ({"FILE_LENGTH": "-5"}, r"must have WIDTH and FILE_LENGTH of 1 to 4194304, instead got 7 and -5: download"),
        ({"WIDTH": "1e9"}, r"must have WIDTH and FILE_LENGTH of 1 to 4194304, instead got 1e\+09 and 5: download it"),
        (
            {"WIDTH": "4e6", "FILE_LENGTH": "4e6"},
            r"must have at most 17179869184 pixels, instead got 4e\+06 x 4e\+06: download it again$",
        ),
        (
            {"Y_STEP": "0.25"},
            r"must have degrees, X_STEP above 0 and Y_STEP below 0, instead got X_FIRST=7.5, Y_FIRST=46.25, "
            r"X_STEP=0.125, Y_STEP=0.25 for 5 x 7 pixels: download it again$",
        ),
        ({"X_STEP": "-0.125"}, r"must have degrees, X_STEP above 0 and Y_STEP below 0, instead got .* X_STEP=-0.125"),
        ({"X_STEP": "90"}, r"must have degrees, .* X_STEP=90, Y_STEP=-0.25 for 5 x 7 pixels: download it again$"),
        ({"Y_FIRST": "4990000"}, r"must have degrees, .* Y_FIRST=4.99e\+06, .*: download it again$"),
        ({"Y_FIRST": "-89.5"}, r"must have degrees, .* Y_FIRST=-89.5, .*: download it again$"),
        ({"PROJECTION": "UTM32"}, r"must have PROJECTION LATLON, instead got 'UTM32': make a GeoTIFF of it$"),
        ({"DATUM": "NAD27"}, r"must have DATUM WGS84, instead got 'NAD27': make a GeoTIFF of it$"),
    ],
)  # fmt: skip
def test_headers_refused(tmp_path, fields, message):
    with pytest.raises(ProductError, match=r"^file='.*20210703.ztd.rsc' " + message):
        read_delay(write(tmp_path, **fields))


def test_files_refused(tmp_path):
    file = write(tmp_path)
    file.write_bytes(file.read_bytes()[:-8])
    wanted = r"must have the 140 bytes of 5 x 7 float32 numbers that its header tells, instead it has"
    with pytest.raises(
        ProductError, match=rf"^file='.*20210703.ztd' {wanted} 132: it is truncated; download it again$"
    ):
        read_delay(file)
    file.write_bytes(bytes(280))
    with pytest.raises(ProductError, match=rf"^file='.*' {wanted} 280: it is of another kind; download it again$"):
        read_delay(file)
    (tmp_path / "20210703.ztd.rsc").unlink()
    message = r"must have its header beside it, instead there is no '20210703.ztd.rsc': unpack it again, or order Geo"
    with pytest.raises(ProductError, match=rf"^file='.*20210703.ztd' {message}"):
        read_delay(file)
    tif = tmp_path / "20210709.ztd.tif"
    tif.touch()
    with pytest.raises(ProductError, match=r"^file='.*20210709.ztd.tif' must be a GeoTIFF, instead it cannot be op"):
        read_delay(tif)


def test_a_file_that_changes_is_noticed(tmp_path):
    file = write(tmp_path)
    pixels = read_delay(file)
    kept = file.stat()
    file.write_bytes(bytes(8))
    os.utime(file, ns=(kept.st_atime_ns, kept.st_mtime_ns))
    with pytest.raises(ProductError, match=r"^file='.*' cannot be read, it is truncated or damaged: the file ends too"):
        pixels.read(Window(0, 0, 5, 7))
    os.utime(file, ns=(kept.st_atime_ns, kept.st_mtime_ns + 1))
    with pytest.raises(ProductError, match=r"^file='.*' was changed after it was opened: open the source again$"):
        pixels.read(Window(0, 0, 1, 1))


def test_sources_refused(tmp_path, write_tif):
    wanted = (
        r"must hold zenith delays of GACOS, named YYYYMMDD.ztd with YYYYMMDD.ztd.rsc beside it, or YYYYMMDD.ztd.tif"
    )
    with pytest.raises(ProductError, match=rf"^source='.*' {wanted}, instead there is none: unpack archives first$"):
        find_delays(tmp_path)
    (tmp_path / "gacos.tar.gz").touch()
    message = rf"^source='.*' {wanted}, instead got 1 others such as 'gacos.tar.gz': unpack archives first$"
    with pytest.raises(ProductError, match=message):
        find_delays(tmp_path)
    with pytest.raises(ProductError, match=r"^the source must exist, instead got source='.*gacos.tar.g': did you mean"):
        find_delays(tmp_path / "gacos.tar.g")
    with pytest.raises(ProductError, match=r"^source='.*\*.ztd' matches nothing: check the pattern with ls$"):
        find_delays(str(tmp_path / "*.ztd"))
    with pytest.raises(TypeError, match=r"^source must be a path or several, instead got 3 \(int\)$"):
        find_delays(3)
    with pytest.raises(TypeError, match=r"^source must be a path, instead got source=3 \(int\)$"):
        find_delays([3])
    with pytest.raises(ValueError, match=r"^source must name at least one path, instead got none$"):
        find_delays([])
    write(tmp_path)
    write_tif(tmp_path / "20210703.ztd.tif", np.full((3, 3), 2.3, np.float32))
    message = (
        r"^the zenith delay of 2021-07-03 must be there once, instead got file='.*20210703.ztd' and "
        r"file='.*20210703.ztd.tif': open one of them, for instance with a glob such as '\*.ztd.tif'$"
    )
    with pytest.raises(ProductError, match=message):
        find_delays(tmp_path)
    assert len(find_delays(str(tmp_path / "*.ztd.tif"))) == 1
