"""The form and the colours that QGIS shows, read back as XML."""

import re
import xml.etree.ElementTree as ET
from itertools import pairwise

import pytest
from reviewed import SOME, inventory_of

from insarflow.inventory.colours import REJECTED, VELOCITY, velocity_colours
from insarflow.inventory.columns import CLASSES, COLUMNS, EDITED, OUTLINE, STATUS
from insarflow.inventory.form import alias
from insarflow.inventory.symbology import rgba, style


def parsed(frame):
    return ET.fromstring(style(frame))


@pytest.fixture(scope="module")
def frame():
    return inventory_of().assign(ticket=["a", "b", "c", "d"])


@pytest.fixture(scope="module")
def root(frame):
    return parsed(frame)


def options(element):
    return {o.get("name"): o.get("value") for o in element.findall("Option")}


def test_drop_down_lists_hold_what_a_table_may_hold(root):
    for name, wanted in (("status", STATUS), ("class", CLASSES)):
        widget = root.find(f"fieldConfiguration/field[@name='{name}']/editWidget")
        assert widget.get("type") == "ValueMap"
        choices = widget.findall("config/Option/Option[@name='map']/Option")
        assert tuple(o.get("value") for choice in choices for o in choice) == tuple(wanted)
        assert all(o.get("name") for choice in choices for o in choice)
    assert root.find("fieldConfiguration/field[@name='comment']/editWidget").get("type") == "TextEdit"
    comment = root.find("fieldConfiguration/field[@name='comment']/editWidget/config/Option")
    assert options(comment)["IsMultiline"] == "true"


def test_only_people_s_own_fields_can_be_written(root, frame):
    editable = {f.get("name"): f.get("editable") for f in root.findall("editable/field")}
    assert set(editable) == {"fid", *frame.columns} - {"geometry"}
    assert {name for name, flag in editable.items() if flag == "1"} == {*EDITED, "ticket"}


def test_a_status_must_be_one(root):
    bound = [c for c in root.findall("constraints/constraint") if c.get("constraints") != "0"]
    assert [(c.get("field"), c.get("constraints"), c.get("exp_strength")) for c in bound] == [("status", "4", "1")]
    (expression,) = [c for c in root.findall("constraintExpressions/constraint") if c.get("exp")]
    assert re.findall("'([a-z]+)'", expression.get("exp")) == list(STATUS)
    assert root.find("defaults/default[@field='status']").get("expression") == "'new'"


def test_tabs_hold_every_field_once(root, frame):
    assert root.find("editorlayout").text == "tablayout"
    tabs = {t.get("name"): [f.get("name") for f in t] for t in root.find("attributeEditorForm")}
    assert tabs["Review"] == ["id", *EDITED]
    assert tabs["Own fields"] == ["ticket"]
    shown = [name for names in tabs.values() for name in names]
    assert sorted(shown) == sorted({*frame.columns} - {"geometry"})
    order = ["fid", *frame.columns.drop("geometry")]
    for field in root.iter("attributeEditorField"):
        assert order[int(field.get("index"))] == field.get("name")
    assert (
        list(
            {t.get("name") for t in parsed(inventory_of(columns=SOME)).find("attributeEditorForm")}
            ^ {"Review", "Outline"}
        )
        == []
    )


def test_aliases_tell_units():
    found = {name: alias(name) for name in COLUMNS}
    assert found["area_m2"] == "area (m²)"
    assert found["los_rate_min_mm_yr"] == "los rate min (mm/yr)"
    assert found["delay_days"] == "delay (days)"
    assert found["aspect_deg"] == "aspect (°)"
    assert found["elevation_m"] == "elevation (m)"
    assert alias("my_m2") == "my_m2"
    assert len(set(found.values())) == len(found)


def rules(root):
    """Label, whole filter and colour of the rules that draw."""
    renderer = root.find("renderer-v2")
    fills = {s.get("name"): options(s.find("layer/Option")) for s in renderer.findall("symbols/symbol")}
    found = {}

    def walk(parent, above):
        for rule in parent.findall("rule"):
            both = (*above, rule.get("filter"))
            if rule.get("symbol") is not None:
                found[rule.get("label")] = both, fills.pop(rule.get("symbol"))
            walk(rule, both)

    walk(renderer.find("rules"), ())
    assert not fills
    return found


def test_every_class_has_a_colour(frame):
    frame = frame.assign(velocity_class=["<1 cm/yr", "it's odd", ">3 cm/yr", None])
    found = rules(parsed(frame))
    assert [*found] == ["rejected", *VELOCITY, ">3 cm/yr", "it's odd", "no velocity"]
    colours = {name: fill["color"] for name, (_, fill) in found.items()}
    assert colours.pop(">3 cm/yr") == colours["3-10 cm/yr"]
    assert len({*colours.values()}) == len(colours)
    assert all(re.fullmatch(r"\d+,\d+,\d+,160", colour) for colour in colours.values())
    for name, colour in VELOCITY.items():
        assert colours[name] == rgba(colour, 160)
        assert found[name][0][1] == f"\"velocity_class\" = '{name}'"
    assert found["it's odd"][0][1] == "\"velocity_class\" = 'it''s odd'"
    assert found["no velocity"][0][1] == "ELSE"
    assert [*velocity_colours(["undefined", "", ">1 cm/yr"])] == [*VELOCITY, ">1 cm/yr", "undefined"]


def test_rejected_slopes_are_hatched_and_nothing_else(root):
    (condition,), fill = rules(root)["rejected"]
    assert condition == "\"status\" = 'rejected'"
    assert (fill["style"], fill["color"]) == ("b_diagonal", rgba(REJECTED, 160))
    others = [value for name, value in rules(root).items() if name != "rejected"]
    assert all(above[0] == "coalesce(\"status\", '') <> 'rejected'" for above, _ in others)
    assert {fill["style"] for _, fill in others} == {"solid"}


def test_without_velocity_the_probability_is_shown():
    found = rules(parsed(inventory_of(columns=SOME)))
    bounds = [re.findall(r"[<>]=? [\d.]+", above[1]) for above, _ in [*found.values()][1:-1]]
    assert bounds[0][0] == ">= 0.0"
    assert bounds[-1][1] == "<= 1.0"
    assert all(one[1] == f"< {two[0][3:]}" for one, two in pairwise(bounds))
    plain = rules(parsed(inventory_of(columns=EDITED | {"id": OUTLINE["id"]})))
    assert [*plain] == ["rejected", "moving slope"]


def test_slopes_are_numbered(root):
    assert root.get("labelsEnabled") == "1"
    assert root.find("labeling/settings/text-style").get("fieldName") == "id"


def test_the_style_does_not_depend_on_the_run(frame):
    assert style(frame) == style(frame.copy())
    keys = [rule.get("key") for rule in ET.fromstring(style(frame)).iter("rule")]
    assert len(set(keys)) == len(keys)
