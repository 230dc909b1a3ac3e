import json
from collections import Counter

import numpy as np
import pandas as pd
import pytest

from insarflow.datasets.annotations import ACTIVITIES, COLUMNS, class_mask, read_annotations
from insarflow.errors import ProductError

RECORD = {
    "uniqueID": 79, "frameID": "012D_07075_080504", "primary_date": "20191028", "secondary_date": "20191103",
    "corrupted": 0, "processing_error": 0, "glacier_fringes": 0, "orbital_fringes": 0, "atmospheric_fringes": 3,
    "low_coherence": 0, "no_info": 0, "image_artifacts": 0, "label": ["Deformation"], "activity_type": ["Mogi", "Dyke"],
    "intensity_level": ["Low", "High"], "phase": "Unrest", "confidence": 0.6,
    "segmentation_mask": [[1, 1, 5, 1, 5, 4, 1, 4], [4, 3, 8, 3, 8, 6.5, 4, 6.5]], "is_crowd": 0, "caption": "",
}  # fmt: skip


def written(tmp_path, **changes):
    path = tmp_path / "a.jsonl"
    path.write_text("\n" + json.dumps({**RECORD, **changes}) + "\n")
    return path


def test_the_published_annotations_are_read(data):
    path = data / "hephaestus-volcano-annotations" / "annotations.jsonl"
    table = read_annotations(path)
    assert list(table.columns) == list(COLUMNS)
    assert len(table) == 2121
    polygons = table["segmentation_mask"].map(len)
    assert (polygons > 0).sum() == 1819
    assert Counter(table["label"]) == {
        ("Non_Deformation",): 302,
        ("Deformation",): 1764,
        ("Deformation", "Earthquake"): 40,
        ("Earthquake",): 15,
    }
    frames = Counter(table["frameID"][polygons > 0])
    assert frames.most_common(2) == [("128D_09016_110500", 549), ("106A_09090_000404", 318)]
    assert Counter(name for names in table["activity_type"] for name in names) == {
        "Sill": 1264, "Dyke": 527, "Mogi": 333, "Earthquake": 55, "Unidentified": 51, "Spheroid": 25
    }  # fmt: skip
    raw = [json.loads(line) for line in path.read_text().splitlines()]
    for k in range(0, 2121, 97):
        assert [p.ravel().tolist() for p in table["segmentation_mask"][k]] == raw[k]["segmentation_mask"]
        assert table["primary_date"][k] == pd.Timestamp(raw[k]["primary_date"])


def test_masks_of_the_published_polygons_have_their_area(data):
    table = read_annotations(data / "hephaestus-volcano-annotations" / "annotations.jsonl")
    alone = table[(table["segmentation_mask"].map(len) == 1) & (table["activity_type"].map(len) == 1)]
    for _, row in alone.iloc[::300].iterrows():
        x, y = row["segmentation_mask"][0].T
        area = abs((x * np.roll(y, -1) - y * np.roll(x, -1)).sum()) / 2
        border = np.hypot(x - np.roll(x, -1), y - np.roll(y, -1)).sum()
        mask = class_mask(row, (1200, 1200))
        assert set(np.unique(mask)) == {0, ACTIVITIES[row["activity_type"][0]]}
        assert abs((mask > 0).sum() - area) <= border


def inside(ring, y, x):
    """Whether a point is in a polygon: lines to its left are crossed an odd number of times."""
    odd = False
    for (x0, y0), (x1, y1) in zip(ring, np.roll(ring, -1, axis=0), strict=True):
        if (y0 > y) != (y1 > y) and x < x0 + (y - y0) / (y1 - y0) * (x1 - x0):
            odd = not odd
    return odd


def test_each_polygon_has_its_class_and_the_later_one_counts(tmp_path):
    row = read_annotations(written(tmp_path)).iloc[0]
    mask = class_mask(row, (7, 9))
    for y in range(7):
        for x in range(9):
            first, second = (inside(ring, y + 0.5, x + 0.5) for ring in row["segmentation_mask"])
            if y != 6:  # the lower edge goes through centres there
                assert mask[y, x] == (2 if second else 1 if first else 0)
    assert {*np.unique(mask)} == {0, 1, 2}


def test_one_flat_list_is_one_polygon_and_classes_may_be_more(tmp_path):
    one = read_annotations(written(tmp_path, segmentation_mask=[0, 0, 3, 0, 3, 3]))
    assert one["segmentation_mask"][0][0].tolist() == [[0, 0], [3, 0], [3, 3]]
    assert not class_mask(read_annotations(written(tmp_path, segmentation_mask=[])).iloc[0], (4, 4)).any()


def test_a_folder_of_files_and_a_file(tmp_path):
    for k in (3, 1, 2):
        (tmp_path / f"{k}.json").write_text(json.dumps({**RECORD, "uniqueID": k}))
    assert read_annotations(tmp_path)["uniqueID"].tolist() == [1, 2, 3]
    assert read_annotations(tmp_path / "2.json")["uniqueID"].tolist() == [2]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"uniqueID": -1}, r"uniqueID must be a whole number"),
        ({"uniqueID": True}, r"uniqueID must be a whole number"),
        ({"frameID": "../../etc"}, r"frameID must be a frame such as"),
        ({"primary_date": "20191301"}, r"primary_date must be a day as yyyymmdd"),
        ({"primary_date": 20191028}, r"primary_date must be a day as yyyymmdd"),
        ({"secondary_date": "20191028"}, r"secondary_date must be after primary_date"),
        ({"corrupted": 0.5}, r"corrupted must be a whole number from 0 to 9"),
        ({"label": "Deformation"}, r"label must be a list"),
        (
            {"label": ["Eruption"]},
            r"label must be a list of Non_Deformation, Deformation, Earthquake, instead got 'Erup",
        ),
        ({"activity_type": [["Mogi"]]}, r"activity_type must be a list of Mogi"),
        ({"phase": None}, r"phase must be one of Rest, Unrest"),
        ({"confidence": 1.5}, r"confidence must be a number in 0..1"),
        ({"caption": 3}, r"caption must be text"),
        ({"segmentation_mask": "no"}, r"segmentation_mask must be a list of polygons"),
        ({"segmentation_mask": [[1, 2, 3, 4]]}, r"of at least 3 vertices"),
        ({"segmentation_mask": [[1, 2, 3, 4, 5, 6, 7]]}, r"of at least 3 vertices"),
        ({"segmentation_mask": [[1, 2, 3, 4, 5, "6"]]}, r"finite pixels within 100000, instead got '6'"),
        ({"segmentation_mask": [[1, 2, 3, 4, 5, 1e300]]}, r"finite pixels within 100000, instead got 1e\+300"),
        ({"segmentation_mask": [[1, 2, 3, 4, 5, float("nan")]]}, r"must be JSON, .*NaN is no number"),
        ({"segmentation_mask": [[0, 0, 1, 0, 1, 1]] * 3}, r"at most as many polygons as activity_type has classes, 2"),
        ({"segmentation_mask": [[0, 0, 1, 0, 1, 1]] * 300}, r"at most 256 polygons"),
        ({"segmentation_mask": [[0, 1] * 20_000]}, r"at most 10000 vertices, instead got 20000"),
    ],
)
def test_wrong_fields_are_told_with_their_line(tmp_path, changes, message):
    with pytest.raises(ProductError, match=r"a.jsonl', line 2.*" + message):
        read_annotations(written(tmp_path, **changes))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"[" * 100_000, r"line 1 must be JSON, instead it is nested too deep"),
        (b"[" * 2_000_000, r"line 1: a record must have at most 1048576 bytes"),
        (b"[]", r"line 1 must be a JSON object, instead got list"),
        (b"{", r"line 1 must be JSON, instead got b'{'"),
        (b"\xff\xfe", r"line 1 must be JSON"),
        (b'{"uniqueID": 1}', r"line 1 lacks frameID, .*: it has uniqueID"),
        (b'{"uniqueID": ' + b"9" * 5000 + b"}", r"line 1 must be JSON"),
        (b"\n \n", r"must hold annotations, instead it has none"),
    ],
)
def test_hostile_files_are_refused(tmp_path, text, message):
    path = tmp_path / "a.jsonl"
    path.write_bytes(text)
    with pytest.raises(ProductError, match=message):
        read_annotations(path)


def test_twice_the_same_and_nothing_are_told(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text(2 * (json.dumps(RECORD) + "\n"))
    with pytest.raises(ProductError, match=r"line 2: uniqueID must be unique, instead got 79 again"):
        read_annotations(path)
    with pytest.raises(ProductError, match=r"cannot be read"):
        read_annotations(tmp_path / "nothing.jsonl")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ProductError, match=r"a folder of .json files, or .jsonl"):
        read_annotations(tmp_path / "empty")
