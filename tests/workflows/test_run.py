import datetime as dt
import pickle
from dataclasses import fields, replace
from pathlib import Path

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from insarflow.errors import InsarError, OutputExistsError
from insarflow.workflows.plain import MAX_BYTES
from insarflow.workflows.run import MapRun, read_run, write_run

FULL = MapRun(
    ("/a.zip", "/b*.zip"), model="/models/mine.safetensors", recipe="/steps.json", resolution=(20.0, 14.5),
    bbox=(6.5, 44.9, 7.1, 45.3), aoi="/valley.gpkg", start="2018-07-01", end="2018-12-31",
    delays=(6, 12), track=15, threshold=0.4, min_area=5_000.0, crs="EPSG:4326", device="cpu", tile_size=512,
)  # fmt: skip


@pytest.mark.parametrize("run", [MapRun(("/data/stack.zarr",)), FULL])
def test_what_is_written_is_read(run, tmp_path):
    write_run(run, tmp_path / "run.yaml", model={"name": "default"}, results={"slopes": 3, "seconds": 1.5})
    assert read_run(tmp_path / "run.yaml") == run
    assert [p.name for p in tmp_path.iterdir()] == ["run.yaml"]
    text = (tmp_path / "run.yaml").read_text()
    assert text.startswith("# A map of moving slopes. Make it again, or go on with it, with: insarflow map run.yaml\n")
    content = yaml.safe_load(text)
    assert content["insarflow"] == "map"
    assert {"python", "insarflow", "numpy", "torch", "numba", "dask", "xarray", "zarr", "rasterio", "gdal"} <= {
        *content["versions"]
    }
    assert content["results"] == {"slopes": 3, "seconds": 1.5}


words = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1).filter(str.strip)
drawn = st.builds(
    MapRun,
    st.lists(words, min_size=1, max_size=3).map(tuple),
    recipe=st.sampled_from(["model", "none"]) | words,
    resolution=st.sampled_from([None, "model"]) | st.floats(1e-6, 1e4) | st.tuples(*[st.floats(1e-6, 1e4)] * 2),
    bbox=st.none() | st.tuples(*[st.floats(-180, 180)] * 4),
    start=st.none() | st.dates(dt.date(1700, 1, 1), dt.date(2200, 1, 1)).map(str),
    delays=st.none() | st.lists(st.integers(1, 500), min_size=1).map(tuple),
    threshold=st.none() | st.floats(0.01, 0.99),
    min_area=st.floats(0, 1e12),
    device=st.none() | words,
)


@given(run=drawn)
@example(run=MapRun(("a\x85b", "\u2028c", "\ufeff\n"), device="d\x85"))
@example(run=MapRun(("~nobody-of-this-name/a",)))
def test_any_run_survives(run, tmp_path_factory):
    file = tmp_path_factory.mktemp("run") / "run.yaml"
    write_run(run.absolute(), file)
    assert read_run(file) == run.absolute()


def test_by_hand(tmp_path, monkeypatch):
    (tmp_path / "maps").mkdir()
    file = tmp_path / "maps" / "valley.yaml"
    file.write_text(
        "insarflow: map\n"
        "source: ../stack.zarr\n"
        "parameters:\n"
        "  start: 20180702\n"
        "  end: 2018-12-31\n"
        "  delays: [6, 12D]\n"
        "  resolution: model\n"
        "  bbox: [6, 44.9, 7, 45]\n"
        "  aoi: valley.gpkg\n"
        "  model: models/mine.safetensors\n"
        "  min_area: 0\n"
    )
    run = read_run(file)
    assert run == MapRun(
        (str(tmp_path / "stack.zarr"),), start="2018-07-02", end="2018-12-31", delays=(6, 12), resolution="model",
        bbox=(6.0, 44.9, 7.0, 45.0), aoi=str(tmp_path / "maps" / "valley.gpkg"),
        model=str(tmp_path / "maps" / "models" / "mine.safetensors"), min_area=0.0,
    )  # fmt: skip
    assert run.selection == {
        "bbox": (6.0, 44.9, 7.0, 45.0), "aoi": run.aoi, "start": "2018-07-02", "end": "2018-12-31", "delays": (6, 12)
    }  # fmt: skip
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/somebody")
    here = MapRun(("a.zarr", "~/b.zarr", "s3://bucket/c.zarr"), recipe="steps.json").absolute()
    assert here.source == (str(tmp_path / "a.zarr"), "/home/somebody/b.zarr", "s3://bucket/c.zarr")
    assert (here.recipe, here.model) == (str(tmp_path / "steps.json"), "default")


def test_what_differs_is_named():
    assert FULL.different(FULL) == []
    assert FULL.different(replace(FULL, track=None, threshold=0.5)) == [
        "track=15 (there: None)",
        "threshold=0.4 (there: 0.5)",
    ]


def test_it_travels():
    assert pickle.loads(pickle.dumps(FULL)) == FULL
    assert {FULL: 1}[replace(FULL)] == 1


@pytest.mark.parametrize(
    ("wrong", "error", "message"),
    [
        ({"source": "a.zarr"}, TypeError, r"^source must be a tuple of paths, instead got source='a\.zarr'"),
        ({"source": ()}, TypeError, r"^source must be a tuple of paths, instead got source=\(\)"),
        ({"source": (" ",)}, TypeError, r"^source must be a text that is not empty, instead got source=' '"),
        ({"model": None}, TypeError, r"^model must be a text that is not empty, instead got model=None"),
        ({"recipe": ""}, TypeError, r"^recipe must be a text that is not empty, instead got recipe=''"),
        ({"resolution": "fine"}, ValueError, r"^resolution must be a size, two as \(y, x\), or 'model', .*='fine'$"),
        ({"resolution": 0}, ValueError, r"^resolution must be one number above 0, or \(y, x\), in units of the CRS, i"),
        ({"resolution": (1, 2, 3)}, ValueError, r"^resolution must be one number above 0, or \(y, x\), in units of "),
        ({"resolution": True}, TypeError, r"^resolution must be a number, instead got resolution=True"),
        ({"aoi": 5}, TypeError, r"^aoi must be a text that is not empty, instead got aoi=5"),
        ({"bbox": (1, 2, 3)}, TypeError, r"^bbox must be \(west, south, east, north\) in degrees, instead got"),
        ({"bbox": (1, 2, 3, "x")}, TypeError, r"^bbox must be a number, instead got bbox='x'"),
        ({"start": "201807"}, ValueError, r"^start: date must be like 20180702, .* instead got date='201807'"),
        ({"end": 1.5}, TypeError, r"^end: date must be like 20180702, .* instead got date=1\.5"),
        ({"delays": 6}, TypeError, r"^delays must be a list of days such as 6, 12, instead got delays=6"),
        ({"delays": (0,)}, ValueError, r"^delay must be a whole positive number of days .*, instead got delay=0"),
        ({"track": 0}, ValueError, r"^track must be a whole number of at least 1, instead got track=0"),
        ({"threshold": 40}, ValueError, r"^threshold must be a probability between 0 and 1, .*threshold=40"),
        ({"min_area": -1}, ValueError, r"^min_area must be 0 m\^2 or more, instead got min_area=-1"),
        ({"min_area": float("nan")}, ValueError, r"^min_area must be finite, instead got min_area=nan"),
        ({"crs": "EPSG:0"}, ValueError, r"^crs must be a map projection .*, instead got crs='EPSG:0'"),
        ({"tile_size": 0}, ValueError, r"^tile_size must be a whole number of at least 1, instead got tile_size=0"),
    ],
)
def test_wrong_parameters(wrong, error, message):
    with pytest.raises(error, match=message):
        MapRun(**{"source": ("a.zarr",), **wrong})


PARAMETERS = "insarflow: map\nsource: a\nparameters: "
KNOWN = ", ".join(f.name for f in fields(MapRun) if f.name != "source")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"is no run file of insarflow map: it must hold the line 'insarflow: map'"),
        ("a: 1", r"is no run file of insarflow map"),
        ("- insarflow: map", r"is no run file of insarflow map"),
        ("insarflow: map\nsorce: a", r": unknown key 'sorce'; there are insarflow, source, parameters, "),
        ("insarflow: map", r": source must be a text that is not empty, instead got source=None"),
        ("insarflow: map\nsource: []", r": source must be a tuple of paths, instead got source=\(\)"),
        (PARAMETERS + "[1]", r": parameters must be 'name: value' lines, instead got"),
        (
            PARAMETERS + "{treshold: 1}",
            rf": unknown key 'parameters\.treshold'; there are {KNOWN}",
        ),
        (PARAMETERS + "{1: 1}", r": unknown key 'parameters\.1'; there are"),
        (
            PARAMETERS + "{threshold: high}",
            r": threshold must be a number, .*threshold='high'",
        ),
        (PARAMETERS + "{min_area: .inf}", r": min_area must be finite"),
        (PARAMETERS + "{min_area: null}", r": min_area must have a value, instead got none"),
        (
            PARAMETERS + "{start: 2018-02-30}",
            r"must be a YAML file, instead it cannot be read",
        ),
        ("insarflow: map\nsource: a\nsource: b", r"cannot be read: the key 'source' is there twice: remove one"),
        ("a: &x [1]\nb: *x", r"cannot be read: aliases \(\*name\) are not allowed"),
        (
            "insarflow: !!python/object/apply:os.system [true]",
            r"must be a YAML file, instead it cannot be read: could not",
        ),
        ("? [1]\n: 2", r"must be a YAML file, instead it cannot be read"),
        ("a: [", r"must be a YAML file, instead it cannot be read"),
        ("[" * 3_000, r"must be a YAML file, instead it cannot be read"),
        ("a: " + "9" * 60_000, r"must be a YAML file, instead it cannot be read"),
        ("\x00", r"must be a YAML file, instead it cannot be read"),
        ("#" * (MAX_BYTES + 1), rf"must have at most {MAX_BYTES} bytes: it is too large"),
    ],
)
def test_wrong_files(text, message, tmp_path):
    file = tmp_path / "run.yaml"
    file.write_text(text)
    with pytest.raises(InsarError, match=f"^{file}.*{message}") as caught:
        read_run(file)
    assert "\n" not in str(caught.value)


def test_files_that_are_none(tmp_path):
    with pytest.raises(InsarError, match=r"nothing\.yaml cannot be read: No such file"):
        read_run(tmp_path / "nothing.yaml")
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\xff")
    with pytest.raises(InsarError, match=r"binary\.yaml must be a YAML file"):
        read_run(tmp_path / "binary.yaml")
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputExistsError, match=r"file/run\.yaml cannot be written: Not a directory"):
        write_run(FULL, Path(tmp_path / "file" / "run.yaml"))
