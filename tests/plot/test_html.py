import re

import dask.array as da
import numpy as np
import pytest
import xarray as xr

from insarflow.plot import stack_html, stack_text
from insarflow.plot.html import MOST_ARCS
from insarflow.stack.labels import select_pair

TAGS = re.compile(r"<(/?)([a-z]+)[^>]*?(/?)>")
BARE = xr.Dataset({"a": ("t", np.zeros(3))})


def rows(ds):
    """Lines of the text by name."""
    return dict(
        line.split("  ", 2)[1:]
        for line in re.sub(r"\n {2}(\S+) +", r"\n  \1  ", stack_text(ds)).splitlines()[1:]
        if line.count("  ") > 1
    )


def well_formed(page):
    open_tags = []
    for closing, tag, empty in TAGS.findall(page):
        if closing:
            assert open_tags.pop() == tag
        elif not empty and tag != "br":
            open_tags.append(tag)
    return not open_tags


def test_facts(ds, forbid_compute):
    with forbid_compute():
        text, page = stack_text(ds), stack_html(ds)
    bounds = ", ".join(f"{edge:.4f}" for edge in ds.rio.transform_bounds("EPSG:4326"))
    for words in (
        "5, on 3 dates x 2 delays", "4, 2021-07-03 to 2021-07-21", "6, 12 days", "40 x 60 pixels (y, x)",
        "20 m x 20 m", "WGS 84 / UTM zone 32N", "5.547 cm", f"simulated Sentinel-1, {ds.attrs['pass']}", "simulate",
        "(date, delay, y, x) complex64, 115 kB, lazy", bounds,
        "ds.insar.plot.network()", "ds.insar.goldstein()", "ds.insar.explore()",
    ):  # fmt: skip
        assert words in text
        assert words in page
    assert well_formed(page)
    assert page.count("<circle") == 4
    assert page.count("A") >= 5
    assert "http" not in page
    assert "<script" not in page


def test_a_lazy_valid_is_not_computed(ds, forbid_compute):
    lazy = ds.assign(valid=ds["valid"].chunk())
    with forbid_compute():
        assert "up to 6, on 3 dates x 2 delays" in stack_text(lazy)
        assert "up to 6" in stack_html(lazy)


def test_one_interferogram(ds):
    text = stack_text(select_pair(ds, "20210703_20210715"))
    assert "20210703_20210715, 12 days" in text
    assert "<svg" not in stack_html(select_pair(ds, "20210703_20210715"))


def test_steps_follow_the_data(ds):
    assert "ds.insar.coherence()" in stack_text(ds.drop_vars("coherence"))
    assert "ds.insar.goldstein()" not in stack_text(ds.insar.goldstein())
    assert "simulate → goldstein" in stack_text(ds.insar.goldstein())
    assert "ds.insar.inventory()" in stack_text(ds.assign(probability=ds["coherence"]))


@pytest.mark.parametrize(
    ("ds", "words"),
    [
        (xr.Dataset(), "no pixels: dimensions are none"),
        (BARE, "no pixels: dimensions are t"),
        (xr.Dataset({"a": (("y", "x"), np.zeros((2, 3)))}), "unknown: a grid needs coordinate values along 'y'"),
        (xr.Dataset({"a": (("date", "y", "x"), np.zeros((2, 2, 3)))}), "unknown: no date and no delay"),
        (xr.Dataset(coords={"date": [1, 2], "delay": [6]}), "none, or dates and delays that are no times"),
        (xr.Dataset(attrs={"recipe": 3, "wavelength": "long"}), "the attribute 'recipe' is not insarflow's"),
        (BARE.assign_coords(date=3, delay="x"), "one or none"),
    ],
)
def test_any_dataset(ds, words):
    assert words in stack_text(ds)
    assert well_formed(stack_html(ds))


def test_text_of_the_data_is_escaped_and_bounded(ds):
    evil = "<script>alert(1)</script>" + "x" * 10_000
    bad = ds.assign_attrs(platform=evil, relative_orbit=evil, recipe='[{"operation": "<b>&"}]').assign(
        {evil: ds["dem"]}
    )
    page = stack_html(bad)
    assert "<script" not in page
    assert "<b>&" not in page
    assert "&lt;script&gt;" in page
    assert "x" * 200 not in page
    assert "x" * 200 not in stack_text(bad)
    assert "\n" not in rows(ds.assign_attrs(platform="a\nb"))["satellite"]


def test_a_huge_network_stays_small():
    days = np.datetime64("2015-01-01", "ns") + np.arange(300) * np.timedelta64(6, "D")
    delays = np.arange(6, 126, 6) * np.timedelta64(1, "D").astype("timedelta64[ns]")
    igram = da.zeros((300, 20, 20_000, 20_000), chunks=(1, 1, 2048, 2048), dtype="complex64")
    ds = xr.Dataset({"igram": (("date", "delay", "y", "x"), igram)}, {"date": days, "delay": delays})
    page = stack_html(ds)
    assert len(re.findall(r"A\d", page)) == MOST_ARCS
    assert "19,200.0 GB" in page
    assert len(page) < 60_000
