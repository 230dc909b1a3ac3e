import builtins
import json
import re
import threading
from html.parser import HTMLParser

import dask
import dask.array as da
import numpy as np
import pytest
import shapely
import xarray as xr
from reviewed import SOME, inventory_of

from insarflow.errors import InsarError, OutputExistsError, SchemaError, StoreError
from insarflow.inventory.colours import REJECTED, UNKNOWN, VELOCITY
from insarflow.inventory.columns import OUTLINE
from insarflow.plot import offline
from insarflow.plot.page import inventory_page, write_page
from insarflow.stack.georeference import georeference
from insarflow.types import Grid


class Page(HTMLParser):
    """Elements with their attributes, the text of each kind of element, and what is not closed."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.texts, self.open = [], {}, []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in ("meta", "input"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, text):
        if self.open:
            self.texts.setdefault(self.open[-1], []).append(text)

    @property
    def data(self):
        (script,) = [k for k, (tag, about) in enumerate(self.scripts) if about.get("id") == "data"]
        return json.loads(self.texts["script"][script])

    @property
    def scripts(self):
        return [(tag, about) for tag, about in self.elements if tag == "script"]


def loaded(text):
    """Addresses of all that a page would load."""
    page = Page(text)
    names = ("src", "href", "srcset", "data", "poster", "action", "background", "xlink:href")
    found = [about[name] for _, about in page.elements for name in names if name in about]
    styles = "".join(page.texts["style"])
    found += re.findall(r"@import[^;]*|url\(\s*[\"']?(?!data:|#)[^)]*", styles)
    scripts = re.sub(r"/\*.*?\*/", "", "".join(page.texts["script"]), flags=re.DOTALL)
    found += re.findall(
        r"(?:src|href)\s*=\s*[\"'](?!#)[^\"']+|importScripts|fetch\(|XMLHttpRequest|https?:[^\"']*", scripts
    )
    return [address for address in found if address != "http://www.w3.org/2000/svg"]


@pytest.fixture
def frame():
    return inventory_of(6)


@pytest.fixture
def dem():
    y, x = np.mgrid[:40, :60]
    height = (1000 + 20 * np.hypot(y - 20, x - 30)).astype(np.float32)
    height[:5, :5] = np.nan
    grid = Grid((599_900.0, 50.0, 0.0, 5_101_500.0, 0.0, -50.0), (40, 60), "EPSG:32632")
    return georeference(xr.Dataset({"dem": (("y", "x"), height)}), grid)["dem"]


def test_nothing_is_loaded(frame, dem):
    text = inventory_page(frame, dem=dem)
    assert loaded(text) == []
    assert Page(text).open == []
    assert "Leaflet 1.9" in text
    (policy,) = [a["content"] for _, a in Page(text).elements if a.get("http-equiv") == "Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; img-src data:;")
    assert "@@" not in text.replace(offline.leaflet()[0], "")


@pytest.mark.parametrize(
    "added",
    [
        '<script src="https://example.org/a.js"></script>', "<style>p { background: url(//example.org/a.png) }</style>",
        '<img src="a.png">', '<script>fetch("a.json")</script>', '<a href="https://example.org">a</a>',
    ],
)  # fmt: skip
def test_what_would_be_loaded_is_found(frame, added):
    text = inventory_page(frame).replace("</head>", f"{added}</head>")
    assert len(loaded(text.replace('<img src="a.png">', '<img src="a.png"></img>'))) >= 1


def test_rows_hold_the_main_attributes(frame):
    frame["first_seen"] = frame["first_seen"].where(frame["id"] != 1)
    data = Page(inventory_page(frame)).data
    labels = [column["label"] for column in data["columns"]]
    assert labels[0] == "id"
    assert {"los rate (mm/yr)", "area (m²)", "comment", "first seen"} <= {*labels}
    rows = [dict(zip(labels, row, strict=True)) for row in data["rows"]]
    assert [row["id"] for row in rows] == [1, 2, 3, 4, 5, 6]
    assert rows[0]["first seen"] is None
    assert rows[2]["first seen"] == "2018-07-26"
    assert rows[0]["area (m²)"] == pytest.approx(frame["area_m2"][0], rel=1e-3)
    assert rows[2]["los rate (mm/yr)"] is None  # NaN is no JSON
    kinds = {column["label"]: column["number"] for column in data["columns"]}
    assert kinds["los rate (mm/yr)"]
    assert not kinds["comment"]
    assert not kinds["first seen"]


def test_what_people_write_stays_text(frame):
    frame["comment"] = ["</script><script>alert(1)</script>", "<!--", "a" * 3000, "\u2028'\"\\", "@@TITLE@@", "&lt;"]
    text = inventory_page(frame, title="</title><script>alert(2)</script>@@DATA@@")
    page = Page(text)
    assert page.open == []
    assert len(page.scripts) == 3
    assert "<script>alert" not in text
    comments = [row[[c["label"] for c in page.data["columns"]].index("comment")] for row in page.data["rows"]]
    assert comments[:2] + comments[3:] == frame["comment"].tolist()[:2] + frame["comment"].tolist()[3:]
    assert len(comments[2]) == 501
    assert "innerHTML" not in page.texts["script"][-1]
    assert "insertAdjacentHTML" not in page.texts["script"][-1]
    assert "".join(page.texts["title"]).startswith("</title>")


def colours(data):
    return [data["palette"][k] for k in data["colour"]]


def test_colours_tell_velocity_then_probability(frame):
    data = Page(inventory_page(frame)).data
    assert colours(data)[:4] == [VELOCITY["<1 cm/yr"], VELOCITY["3-10 cm/yr"], REJECTED, VELOCITY[">100 cm/yr"]]
    assert data["rejected"] == [2]
    meanings = dict(data["legend"]["entries"])
    assert meanings == VELOCITY | {"rejected": REJECTED}
    data = Page(inventory_page(inventory_of(6, SOME))).data
    assert data["legend"]["title"] == "mean probability"
    meanings = dict(data["legend"]["entries"])
    for mean, colour in zip(inventory_of(6, SOME)["probability_mean"], colours(data), strict=True):
        low, high = next(map(float, k.split(" to ")) for k, v in meanings.items() if v == colour and " to " in k) \
            if colour != REJECTED else (0, 1)  # fmt: skip
        assert low <= mean <= high
    blank = inventory_of(2, OUTLINE).assign(probability_mean=np.float32(np.nan))
    data = Page(inventory_page(blank)).data
    assert colours(data) == [UNKNOWN] * 2
    assert ["unknown", UNKNOWN] in data["legend"]["entries"]


def test_relief_below(frame, dem):
    import base64
    import io

    from matplotlib.image import imread

    def seen(dem):
        relief = Page(inventory_page(frame, dem=dem)).data["relief"]
        image = imread(io.BytesIO(base64.b64decode(relief["image"].removeprefix("data:image/png;base64,"))))
        return image, relief["corners"]

    image, ((south, west), (north, east)) = seen(dem)
    assert west < 10.3 < east
    assert south < 46.05 < north
    assert 0 < (image[..., 3] == 0).mean() < 0.3
    rows, columns = image.shape[:2]
    # The sun is in the north-west of the cone (here a bowl): its south-eastern side is bright.
    bright, dark = image[2 * rows // 3, 2 * columns // 3, 0], image[rows // 3, columns // 3, 0]
    assert bright > dark + 0.2
    turned, corners = seen(dem.isel(y=slice(None, None, -1)))
    np.testing.assert_array_equal(turned, image)
    np.testing.assert_allclose(corners, [[south, west], [north, east]])
    large = xr.DataArray(np.zeros((1, 2500), np.float32), dims=("y", "x"))
    grid = Grid((6e5, 20.0, 0.0, 5.1e6, 0.0, -20.0), (1, 2500), "EPSG:32632")
    wide, _ = seen(georeference(large.to_dataset(name="dem"), grid)["dem"])
    assert max(wide.shape) <= 900
    assert Page(inventory_page(frame)).data["relief"] is None


def test_a_large_lazy_relief_is_read_block_by_block(frame):
    """The stack's own heights: never in memory as a whole."""
    side, block, held, most = 2000, 200, 0, 0
    lock = threading.Lock()

    class Counted(np.ndarray):
        def __del__(self):
            nonlocal held
            if self.base is None:
                with lock:
                    held -= 1

    def heights(block_info=None):
        nonlocal held, most
        (y0, y1), (x0, x1) = block_info[None]["array-location"]
        made = Counted((y1 - y0, x1 - x0), np.float32)
        made[:] = np.hypot(*np.ogrid[y0 - side / 2 : y1 - side / 2, x0 - side / 2 : x1 - side / 2])
        with lock:
            held += 1
            most = max(most, held)
        return made

    chunks = ((block,) * (side // block),) * 2
    lazy = da.map_blocks(heights, chunks=chunks, dtype=np.float32, meta=np.empty((0, 0), np.float32))
    grid = Grid((595_000.0, 10.0, 0.0, 5_110_000.0, 0.0, -10.0), (side, side), "EPSG:32632")
    dem = georeference(xr.Dataset({"dem": (("y", "x"), lazy)}), grid)["dem"]
    with dask.config.set(scheduler="threads", num_workers=2):
        text = inventory_page(frame, dem=dem)
    assert Page(text).data["relief"]["image"]
    assert 0 < most <= 3 * (side // block)  # about one row of blocks, of ten


def test_no_slopes_make_a_page_too(frame, dem):
    data = Page(inventory_page(frame[:0], dem=dem)).data
    assert data["rows"] == data["shapes"] == data["colour"] == []


def test_the_page_does_not_depend_on_the_run(frame, dem, tmp_path):
    path = write_page(frame, tmp_path / "a.html", dem=dem)
    assert path.read_text(encoding="utf-8") == inventory_page(frame.copy(), dem=dem)
    assert [p.name for p in tmp_path.iterdir()] == ["a.html"]


def test_the_page_stays_small(frame):
    """What ten thousand slopes of some fifty corners take, from what a thousand add."""
    corners = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    ring = np.column_stack([np.cos(corners), np.sin(corners)]) * 200
    many = inventory_of(1000)
    many = many.set_geometry([shapely.Polygon(ring + c) for c in shapely.get_coordinates(many.centroid)], crs=32632)
    size = len(inventory_page(many).encode()) - len(inventory_page(many[:0]).encode())
    assert 10 * size < 8e6


def test_impolite(frame, dem, tmp_path, monkeypatch):
    with pytest.raises(TypeError, match=r"^frame must be a geopandas.GeoDataFrame, instead got str"):
        inventory_page("inventory.gpkg")
    with pytest.raises(TypeError, match=r"^title must be a text, instead got title=3"):
        inventory_page(frame, title=3)
    with pytest.raises(ValueError, match=r"^frame must have a CRS, instead got none: set it"):
        inventory_page(frame.set_crs(None, allow_override=True))
    with pytest.raises(TypeError, match=r"^dem must be an xarray.DataArray, instead got ndarray"):
        inventory_page(frame, dem=np.zeros((3, 3)))
    with pytest.raises(SchemaError, match=r"^dem must have dims \('y', 'x'\), instead got \('t', 'y', 'x'\)"):
        inventory_page(frame, dem=dem.expand_dims("t"))
    with pytest.raises(SchemaError, match=r"has no CRS"):
        inventory_page(frame, dem=dem.drop_vars("spatial_ref"))
    with pytest.raises(ValueError, match=r"^path must end in .html, instead got .*a.pdf"):
        write_page(frame, tmp_path / "a.pdf")
    with pytest.raises(ValueError, match=r"^path must be in an existing folder, .* make .*none first"):
        write_page(frame, tmp_path / "none" / "a.html")
    (tmp_path / "a.html").write_text("kept")
    with pytest.raises(
        OutputExistsError, match=r"^the output must not exist, instead got .*a.html': pass overwrite=True"
    ):
        write_page(frame, tmp_path / "a.html")
    (tmp_path / "b.html").mkdir()
    with pytest.raises(OutputExistsError, match=r"^the output must be a file, instead got the folder .*b.html"):
        write_page(frame, tmp_path / "b.html", overwrite=True)

    def full_disk(*args, **kwargs):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("pathlib.Path.replace", full_disk)
        with pytest.raises(StoreError, match="cannot be written: No space left on device"):
            write_page(frame, tmp_path / "a.html", overwrite=True)
    assert (tmp_path / "a.html").read_text() == "kept"
    write_page(frame, tmp_path / "a.html", overwrite=True)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.html", "b.html"]


def test_without_leaflet(frame, monkeypatch):
    def gone(name):
        raise offline.PackageNotFoundError(name)

    monkeypatch.setattr(offline, "files", gone)
    offline.leaflet.cache_clear()
    with pytest.raises(InsarError, match=r"needs folium and xstatic-leaflet: pip install 'insarflow\[notebook\]'"):
        inventory_page(frame)
    offline.leaflet.cache_clear()


def test_no_folium_is_needed(frame, monkeypatch):
    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name.split(".")[0] in ("folium", "branca"):
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    assert "Leaflet 1.9" in inventory_page(frame)
