import pytest
import typer
from typer.main import get_command

from insarflow.cli import VERBS, app
from insarflow.cli.options import Regrid, Select
from insarflow.cli.values import (
    one_or_many,
    output_path,
    parse_bbox,
    parse_delays,
    parse_model_resolution,
    parse_names,
    parse_resolution,
    parse_size,
    read_flag,
)
from insarflow.workflows.export import FORMATS

VERB_OF = get_command(app).commands


def flags(verb):
    return {param.opts[-1]: param for param in VERB_OF[verb].params if param.opts[-1].startswith("--")}


def test_same_flag_same_words_in_all_verbs():
    seen = {}
    for verb in VERBS:
        for name, param in flags(verb).items():
            words = (param.opts, param.help, param.metavar, param.rich_help_panel)
            assert seen.setdefault(name, words) == words, f"{verb} {name}"
            assert param.help.endswith("."), name
            assert param.rich_help_panel, name
    assert len(seen) > 25


@pytest.mark.parametrize(
    ("verbs", "names"),
    [
        (VERBS, "--json --quiet --verbose"),
        (set(VERBS) - {"info", "evaluate", "versions"}, "--output --overwrite"),
        (("info", "build", "map", "segment", "inventory", "export"), "--bbox --aoi --start --end --delays --track"),
        (("build", "map", "segment"), "--scheduler --workers --memory --dry-run"),
        (("map", "segment"), "--model --recipe --resolution --device"),
        (("map", "inventory"), "--crs --threshold --min-area"),
        (("export",), "--to --variables --inventory --workers --dry-run"),
        (("simulate",), "--size --pixel-size --seed --movers --processing --direction --dem"),
        (("build",), "--grid --resolution --crs --method --skip-bad"),
    ],
)
def test_a_verb_has_the_flags_that_mean_something_for_it(verbs, names):
    for verb in verbs:
        assert set(names.split()) <= set(flags(verb)), verb


def test_the_part_of_the_source_that_is_wanted():
    select = Select(bbox="-6.5, 44.9,7.1 45.3", aoi="a.gpkg", start="03Jul2021", delays="6,12D", track=88)
    assert select.keywords() == {
        "bbox": (-6.5, 44.9, 7.1, 45.3),
        "aoi": "a.gpkg",
        "start": "03Jul2021",
        "delays": (6, 12),
        "track": 88,
    }
    assert Select().keywords() == {}


def test_the_grid_that_is_wanted():
    regrid = Regrid(grid="intersection", resolution="20,14.5", crs="utm", method="cubic")
    asked = {"grid": "intersection", "resolution": (20.0, 14.5), "crs": "utm", "method": "cubic"}
    assert regrid.keywords({"track": 88}, skip_bad=True) == {"track": 88, **asked, "skip_bad": True}
    assert regrid.keywords({}, skip_bad=False, hash_files=True) == {**asked, "hash_files": True}
    assert Regrid(resolution="20").keywords({}, skip_bad=False) == {"resolution": 20.0}
    with pytest.raises(typer.BadParameter, match="it must be one of nearest, bilinear, cubic"):
        Regrid(method="sinc").keywords({}, skip_bad=False)


@pytest.mark.parametrize(
    ("parse", "text", "words"),
    [
        (parse_resolution, "0", "a number above 0, or two as Y,X"),
        (parse_resolution, "1,2,3", "a number above 0, or two as Y,X"),
        (parse_resolution, "20m", "a number above 0, or two as Y,X"),
        (parse_resolution, "model", "a number above 0, or two as Y,X"),
        (parse_model_resolution, "fine", "a number above 0, .* got 'fine'; or model, for the size that the model was"),
        (parse_bbox, "6.5,44.9,7.1", "four numbers W,S,E,N"),
        (parse_bbox, "a,b,c,d", "four numbers W,S,E,N"),
        (parse_delays, "5.5", "whole days such as 6,12"),
        (parse_delays, "6,,12", "whole days such as 6,12"),
        (parse_names, "igram,,dem", "names such as igram,coherence"),
        (parse_size, "512", "ROWS,COLUMNS"),
        (parse_size, "a,3", "ROWS,COLUMNS"),
        (str, " ", "must not be empty"),
    ],
)
def test_what_cannot_be_read_is_said(parse, text, words):
    with pytest.raises(typer.BadParameter, match=words):
        read_flag("--flag", text, parse)


def test_pixels_as_a_model_wants_them():
    assert parse_model_resolution("model") == "model"
    assert parse_model_resolution("20,14.5") == (20.0, 14.5)


def test_help_names_every_format():
    assert flags("export")["--to"].metavar.split("|") == list(FORMATS)


def test_several_sources_are_one():
    assert one_or_many(["a.zip"]) == "a.zip"
    assert one_or_many(["a.zip", "b.zip"]) == ("a.zip", "b.zip")
    with pytest.raises(typer.BadParameter, match="must not be empty"):
        one_or_many(["a.zip", ""])


def test_output_must_be_named():
    assert str(output_path("~/x"))[0] == "/"
    with pytest.raises(typer.BadParameter, match="must not be empty"):
        output_path("")
