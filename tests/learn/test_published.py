import numpy as np
import pandas as pd
import pytest

from insarflow.errors import SchemaError, SelectionError
from insarflow.learn.leakage import leakage_report
from insarflow.learn.splits import Split, split_by_name

DATES = [(np.datetime64("2018-06-01") + 6 * k).astype(str).replace("-", "") for k in range(20)]
PAIRS = [(a, b) for step in (1, 2, 3) for a, b in zip(DATES, DATES[step:], strict=False)]
ZONES = {"Vanoise": 0, "Ecrins": 300, "Queyras": 600}


def crops():
    """An index as that of ISSLIDE: five places in each of three zones, in each of 54 pairs."""
    rows = [
        (zone, "_".join(pair), *pair, y, 60 * k, 0.0 if (k + n) % 5 == 0 else 0.2)
        for zone, y in ZONES.items() for n, pair in enumerate(PAIRS) for k in range(5)
    ]  # fmt: skip
    index = pd.DataFrame(rows, columns=["zone", "pair", "reference", "secondary", "y", "x", "positive"])
    return index.assign(height=100, width=100)


def test_isslide_holds_out_a_zone_and_a_fifth_of_the_pairs_but_no_radar_image():
    index = crops()
    assert index["pair"].nunique() == 54
    split = split_by_name(index, "isslide", seed=3)
    assert split.train["pair"].nunique() == 43
    assert split.test["pair"].nunique() == 11
    assert not {*split.train["pair"]} & {*split.test["pair"]}
    assert {*split.train["zone"]} == {"Vanoise", "Ecrins"}
    assert {*split.test["zone"]} == {"Queyras"}
    assert min(split.train["positive"].min(), split.test["positive"].min()) > 0
    # 43 pairs, two zones; four of five places move in each pair.
    assert (len(split.train), len(split.test)) == (43 * 2 * 4, 11 * 4)
    assert len(split.train) + len(split.test) + sum(split.dropped.values()) == len(index)
    report = leakage_report(split.train, split.test)
    assert not report.shares_ground
    # The wart: nearly all radar images of the pairs that are tested on were trained on, too.
    tested = {*split.test["reference"], *split.test["secondary"]}
    assert set(report.split.acquisitions) == tested & {*split.train["reference"], *split.train["secondary"]}
    assert len(report.split.acquisitions) > 0.8 * len(tested)
    assert split.test.equals(split_by_name(index, "isslide", seed=3).test)
    assert not split.test.equals(split_by_name(index, "isslide", seed=4).test)
    assert {*split_by_name(index, "isslide", zones=["Ecrins"]).test["zone"]} == {"Ecrins"}


def test_drsunet_deals_patches_at_random():
    index = crops()
    split = split_by_name(index, "drsunet", seed=1)
    assert [len(s) for s in (split.train, split.validation, split.test)] == [567, 162, 81]
    labels = [*split.train.index, *split.validation.index, *split.test.index]
    assert sorted(labels) == [*index.index]
    assert labels != sorted(labels)
    assert leakage_report(split.train, split.test).split.patches_over == len(split.test)


def test_nava_holds_out_zones():
    split = split_by_name(crops()[["zone", "positive"]], "nava", zones=["Ecrins", "Queyras"])
    assert {*split.train["zone"]} == {"Vanoise"}
    assert (len(split.train), len(split.test)) == (270, 540)
    assert split.validation is None


def test_what_is_wrong_is_told():
    index = crops()
    with pytest.raises(ValueError, match=r"^name must be .*isslide.*instead got .*'geo'"):
        split_by_name(index, "geo")
    with pytest.raises(SchemaError, match=r"^the split 'isslide' needs a column 'zone' in the index, which has pair"):
        split_by_name(index.drop(columns="zone"), "isslide")
    with pytest.raises(SelectionError, match=r"^zones must be among Ecrins, Queyras, Vanoise, instead got 'Alps'$"):
        split_by_name(index, "nava", zones=["Alps"])
    with pytest.raises(ValueError, match=r"^zones must name those to test on, instead got None: there are Ecrins"):
        split_by_name(index, "nava")
    with pytest.raises(ValueError, match=r"^zones must be None for 'drsunet'"):
        split_by_name(index, "drsunet", zones=["Ecrins"])
    with pytest.raises(TypeError, match=r"^zones must be a list of names, instead got zones='Ecrins'"):
        split_by_name(index, "nava", zones="Ecrins")
    still = index.assign(positive=np.where(index["zone"] == "Queyras", 0.0, 0.1))
    with pytest.raises(SelectionError, match=r"^the set to test on has no patch \(left out: 270 without a mover"):
        split_by_name(still, "isslide")
    with pytest.raises(SelectionError, match=r"^the set to validate on has no mover in its 2 patches"):
        Split(index[1:5], index[6:9], validation=index[[True, False] * 405].query("positive == 0")[:2])
