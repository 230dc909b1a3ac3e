import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from insarflow.schema import CELLS, VARIABLES
from insarflow.stack import tags
from insarflow.stack.tags import (
    OTHERS,
    file_dtype,
    layer_of_name,
    make_tags,
    pair_tags,
    parse_tags,
    plain_attributes,
    software,
    value_of,
    variable_of,
)
from insarflow.types import Pair, Recipe

PAIR = Pair.parse("20180106_20180118")

DAYS = "an earlier and a later day in the tags FIRST_DATE and SECOND_DATE"

SCALARS = st.one_of(st.text(max_size=20), st.booleans(), st.integers(), st.floats(allow_nan=False))

NAMES = st.one_of(
    st.sampled_from(["wavelength", "heading", "pass", "platform", "relative_orbit", "looks", "acquisition_times"]),
    st.text(max_size=12),
)


def told(attrs):
    """What is read from the tags made of attributes: those of a tag of its own count more."""
    texts = make_tags(attrs, Recipe())
    found = {k: v for tag, text in texts.items() if tag == OTHERS for k, v in value_of(tag, text).items()}
    return found | {k: v for tag, text in texts.items() if tag != OTHERS for k, v in value_of(tag, text).items()}


@given(st.dictionaries(NAMES, st.one_of(SCALARS, st.lists(SCALARS, max_size=3)), max_size=6))
def test_any_attributes_come_back_as_they_were(attrs):
    found = told(attrs)
    assert found.pop("recipe") == Recipe()
    wanted = {k: v for k, v in attrs.items() if k not in ("recipe", "schema_version", "ignored_files", "skipped_files")}
    assert found == wanted
    assert {name: type(value) for name, value in found.items()} == {name: type(value) for name, value in wanted.items()}


def test_each_known_attribute_has_a_tag_that_people_read():
    attrs = {
        "wavelength": 0.0555, "heading": -0.2142, "pass": "ascending", "platform": "S1A", "looks": [2, 8],
        "relative_orbit": 5, "acquisition_times": '{"2018-01-06": 2421.5}',
    }  # fmt: skip
    made = make_tags(attrs, Recipe().then("read"))
    assert json.loads(made.pop("RECIPE")) == [{"operation": "read"}]
    assert made == {
        "WAVELENGTH_METRES": "0.0555", "HEADING_RADIANS": "-0.2142", "PASS": "ascending", "PLATFORM": "S1A",
        "LOOKS": "[2, 8]", "RELATIVE_ORBIT": "5", "ACQUISITION_TIMES": '{"2018-01-06": 2421.5}',
    }  # fmt: skip


def test_values_of_numpy_are_plain_and_what_files_cannot_tell_is_left_out():
    attrs = {
        "looks": np.array([2, 8]), "wavelength": np.float64(0.0555), "flag": np.bool_(True), "name": np.str_("a"),
        "pair": (1, 2.5), "z": 1j, "day": np.datetime64("2018-01-06", "ns"), "none": None, "of": {"a": 1},
        "deep": [[1]], "table": np.ones((2, 2)), "recipe": "[]", "schema_version": 2, "ignored_files": "[]",
        "skipped_files": "{}",
    }  # fmt: skip
    plain = {"looks": [2, 8], "wavelength": 0.0555, "flag": True, "name": "a", "pair": [1, 2.5]}
    assert plain_attributes(attrs) == plain
    assert told(attrs) == {**plain, "recipe": Recipe()}


def test_nan_comes_back():
    assert math.isnan(told({"wavelength": math.nan})["wavelength"])


@given(st.floats(-1e6, 1e6, width=32))
def test_a_baseline_comes_back_bit_by_bit(baseline):
    found = parse_tags(pair_tags(PAIR, baseline), "coherence")
    assert (found.pair, np.float32(found.baseline)) == (PAIR, np.float32(baseline))
    assert parse_tags(pair_tags(PAIR, math.nan), "coherence").baseline is None


@pytest.mark.parametrize("name", [n for n, v in VARIABLES.items() if v.dims != CELLS])
def test_names_of_files(name):
    word = "phase" if name == "igram" else name
    of_pair = VARIABLES[name].dims != ("y", "x")
    assert layer_of_name(f"20180106_20180118_{word}.tif") == ((PAIR, name) if of_pair else None)
    assert layer_of_name(f"{word}.TIF") == (None if of_pair else (None, name))


@pytest.mark.parametrize("name", ["20180118_20180106_phase.tif", "20181306_20190106_phase.tif", "a_dem.tif", "dem.png"])
def test_names_of_other_files(name):
    assert layer_of_name(name) is None


def test_a_file_is_ours_by_who_wrote_it_its_image_and_its_numbers():
    ours = {"TIFFTAG_SOFTWARE": software(), "VARIABLE": "phase"}
    assert variable_of(ours, "<f4") == "igram"
    assert variable_of(ours | {"VARIABLE": "water"}, file_dtype("water")) == "water"
    for other in ({"VARIABLE": "igram"}, {"VARIABLE": ""}, {"TIFFTAG_SOFTWARE": "insarflower 1"}):
        assert variable_of(ours | other, "<f4") is None
    assert variable_of(ours, "uint8") is None
    assert variable_of({"VARIABLE": "phase"}, "<f4") is None


@pytest.mark.parametrize(
    ("tag", "text", "what"),
    [
        ("WAVELENGTH_METRES", "nan", "a length below 10 m"),
        ("WAVELENGTH_METRES", "-0.05", "a length below 10 m"),
        ("HEADING_RADIANS", "north", "an angle in radians"),
        ("PASS", "a" * 1001, "a word"),
        ("LOOKS", "[2, 8, 1]", "one or two numbers above 0"),
        ("LOOKS", "[2, true]", "one or two numbers above 0"),
        ("LOOKS", "[" * 100_000, "one or two numbers above 0"),
        ("ACQUISITION_TIMES", '["2018-01-06"]', "a JSON object of seconds by day"),
        ("ACQUISITION_TIMES", '{"yesterday": 1}', "a JSON object of seconds by day"),
        ("ACQUISITION_TIMES", '{"2018-01-06": 1e9}', "a JSON object of seconds by day"),
        ("RECIPE", '{"operation": "read"}', "a JSON list of steps"),
        ("RECIPE", "[" * 100_000, "a JSON list of steps"),
        ("ATTRIBUTES", '["a"]', "a JSON object of text, numbers and lists of these"),
        ("ATTRIBUTES", '{"a": {"b": 1}}', "a JSON object of text, numbers and lists of these"),
        ("ATTRIBUTES", '{"a":' * 100_000, "a JSON object of text, numbers and lists of these"),
        ("ATTRIBUTES", '{"a": ' + "9" * 5000 + "}", "a JSON object of text, numbers and lists of these"),
    ],
)
def test_hostile_values_are_named(tag, text, what):
    with pytest.raises(ValueError, match=rf"^{what} in the tag {tag}, instead got '.{{1,80}}$"):
        value_of(tag, text)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"FIRST_DATE": "2018-13-01"}, rf"{DAYS}, instead got '2018-13-01' and '2018-01-18'"),
        ({"FIRST_DATE": "2018-01-18"}, rf"{DAYS}, instead got '2018-01-18' and '2018-01-18'"),
        ({"SECOND_DATE": "9" * 10**6}, rf"{DAYS}, instead got '2018-01-06' and '9{{79}}"),
        ({tags.BASELINE: "far"}, r"a number of metres in the tag PERPENDICULAR_BASELINE_METRES, instead got 'far'"),
        ({tags.BASELINE: "inf"}, r"a number of metres in the tag PERPENDICULAR_BASELINE_METRES, instead got 'inf'"),
        ({"RECIPE": "[]" + " " * 10**7}, r"at most 4194304 characters in the tag RECIPE, instead got 10000002"),
    ],
)
def test_hostile_tags_are_named(more, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        parse_tags(pair_tags(PAIR, 1.5) | more, "igram")


def test_tags_that_nobody_knows_are_not_looked_at():
    known = parse_tags(pair_tags(PAIR, 1.5), "igram")
    assert parse_tags(pair_tags(PAIR, 1.5) | {"X": "1" * 10**7, "CLASS": "os.system"}, "igram") == known
