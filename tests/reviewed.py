"""Inventories made by hand, with all columns or some, as people review them."""

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from insarflow.inventory.columns import COLUMNS, EDITED, OUTLINE

TEXTS = {
    "status": ["new", "confirmed", "rejected", "confirmed"],
    "class": ["", "Landslide", "Glacier", "Rock glacier"],
    "reviewer": ["", "A. Müller", "B", "A. Müller"],
    "comment": ["", "line 1\nline 2", '</script><img src="x" onerror="alert(1)">', 'O\'Neill; "quoted", 5 % & more'],
    "pair_names": "20210703_20210715",
    "repetition": "6:3/19;12:9/18",
    "reliability": ["low", "high", "medium", "high"],
    "velocity_class": ["<1 cm/yr", "3-10 cm/yr", "", ">100 cm/yr"],
    "orbit": "ascending 15",
    "sources": "",
    "activity": ["new", "faster", "steady", "unknown"],
}


def inventory_of(count=4, columns=COLUMNS, crs="EPSG:32632"):
    """A table of `count` slopes along a line, 500 m from each other, of 200 m by 100 m and more."""
    rng, data = np.random.default_rng(0), {}
    for name in columns:
        dtype = COLUMNS[name].dtype
        if name == "id":
            values = np.arange(1, count + 1)
        elif name == "probability_mean":
            values = np.linspace(0.55, 0.95, count)
        elif dtype == "str":
            values = np.resize(np.array(TEXTS[name], object), count)
        elif dtype == "bool":
            values = np.arange(count) % 2 == 0
        elif dtype.startswith("datetime"):
            values = pd.date_range("2018-07-02", periods=count, freq="12D").to_numpy().copy()
            values[1::3] = np.datetime64("NaT")
        elif dtype.startswith("int"):
            values = np.arange(count) * 3 + 5
        else:
            values = rng.normal(20, 10, count)
            values[2::5] = np.nan
        data[name] = pd.Series(values).astype(dtype)
    x = 600_000.0 + 500.0 * np.arange(count)
    shapes = shapely.box(x, 5_100_000, x + 200, 5_100_100 + np.arange(count))
    frame = gpd.GeoDataFrame(data, geometry=shapes, crs=crs)
    frame.attrs = {"threshold": 0.6, "min_area": 10_000.0, "recipe": '{"steps": []}'}
    return frame


SOME = OUTLINE | EDITED
