import numpy as np
import pytest
import rasterio

from insarflow.errors import ProductError
from insarflow.schema import recipe_of
from insarflow.stack.store import open_stack

HEADER = """WIDTH             50
FILE_LENGTH       30
WAVELENGTH        0.0562356424
DATE              070115
DATE12            {date12}
HEADING_DEG       {heading}
PLATFORM          Envisat
ALOOKS            20
RLOOKS            4
"""


@pytest.fixture
def product(tmp_path, write_tif):
    """Two pairs, their headers in another folder, and a terrain model known by its folder."""
    rng = np.random.default_rng(1)
    for name in ("060619-061002", "961002-070219"):
        write_tif(tmp_path / "tif" / f"geo_{name}_unw.tif", rng.normal(0, 9, (30, 50)).astype(np.float32))
        header = tmp_path / "headers" / f"geo_{name}.unw.rsc"
        header.parent.mkdir(exist_ok=True)
        header.write_text(HEADER.format(date12=name, heading=-166.0))
    write_tif(tmp_path / "dem" / "roipac_trimmed.tif", np.full((30, 50), 300, np.float32))
    (tmp_path / "dem" / "roipac_trimmed.tif.rsc").write_text("WIDTH 50\nWAVELENGTH unknown\n")
    return tmp_path


def test_six_digit_dates_and_headers(product):
    ds = open_stack(product)
    assert ds.insar.pairs.index.tolist() == ["19961002_20070219", "20060619_20061002"]
    assert float(ds["dem"][0, 0]) == 300
    assert ds.attrs["wavelength"] == 0.0562356424
    assert ds.attrs["heading"] == pytest.approx(np.radians(-166.0))
    assert (ds.attrs["pass"], ds.attrs["platform"], ds.attrs["looks"]) == ("descending", "Envisat", [20, 4])
    assert recipe_of(ds).steps[0]["product"] == "roi_pac geotiff"


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        (
            "WAVELENGTH",
            "0.23",
            r"all images must be of one track and wavelength, instead got WAVELENGTH: 0\.0562356 m ",
        ),
        ("HEADING_DEG", "-14", r"instead got HEADING: -2\.89725 rad in file='.*geo_060619-061002\.unw\.rsc'"),
        (
            "WAVELENGTH",
            "long",
            r"file='.*961002-070219\.unw\.rsc' must have 1 numbers in the field 'WAVELENGTH', .*'long'",
        ),
    ],
)
def test_headers_that_disagree(product, field, value, message):
    header = product / "headers" / "geo_961002-070219.unw.rsc"
    lines = [f"{field} {value}" if line.startswith(field) else line for line in header.read_text().splitlines()]
    header.write_text("\n".join(lines))
    with pytest.raises(ProductError, match=message):
        open_stack(product)


def test_tags_of_pyrate(tmp_path, write_tif):
    path = write_tif(tmp_path / "060619-061002_unw.tif", np.ones((30, 50), np.float32))
    with rasterio.open(path, "r+") as file:
        file.update_tags(WAVELENGTH_METRES="0.0562356424")
    assert open_stack(tmp_path).attrs["wavelength"] == 0.0562356424
    with rasterio.open(path, "r+") as file:
        file.update_tags(DATA_UNITS="MILLIMETRES")
    with pytest.raises(
        ProductError, match=r"^file='.*' must hold phase in radians, instead its tag DATA_UNITS says MILL"
    ):
        open_stack(tmp_path)
