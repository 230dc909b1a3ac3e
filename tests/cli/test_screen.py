import io
import json
import logging
import re
import time
import warnings

import dask.array as da
import numpy as np
import pytest
from rich.console import Console

from insarflow.cli import screen as screens
from insarflow.cli.screen import Screen, one_line_warnings
from insarflow.cli.words import columns, duration, one_line, size
from insarflow.errors import RecipeWarning


@pytest.fixture
def terminal(monkeypatch):
    """A terminal in place of stderr, and what is written to it."""
    written = io.StringIO()
    console = Console(file=written, force_terminal=True, width=100, soft_wrap=True, markup=False, highlight=False)
    monkeypatch.setattr(screens, "err", console)
    return written


def test_progress_with_time_left_on_a_terminal(terminal):
    with Screen().stage("counting"):
        da.ones((64, 64), chunks=8).sum().compute(scheduler="sync")
    text = terminal.getvalue()
    assert "counting" in text
    assert "left" in text
    done, total = re.findall(r"(\d+)/(\d+)", text)[-1]
    assert done == total > "1"


def test_progress_in_pixels(terminal):
    with Screen().stage("counting", pixels=10**9):
        da.ones((64, 64), chunks=8).sum().compute(scheduler="sync")
    rates = [float(rate) for rate in re.findall(r"([\d.]+) Mpx/s", terminal.getvalue())]
    assert rates[-1] > 0
    with Screen().stage("counting"):
        da.ones((64, 64), chunks=8).sum().compute(scheduler="sync")
    assert len(re.findall("Mpx/s", terminal.getvalue())) == len(rates)


def test_progress_over_several_graphs(terminal):
    with Screen().stage("counting", 3):
        for _ in range(3):
            da.ones((64, 64), chunks=8).sum().compute(scheduler="sync")
    done, total = map(int, re.findall(r"(\d+)/(\d+)", terminal.getvalue())[-1])
    assert done == total > 3 * 64
    assert total % 3 == 0


def test_progress_of_what_counts_for_itself(terminal):
    with Screen().counter("training") as tell:
        for done in range(4):
            tell("simulating", done, 3)
    assert "3/3" in terminal.getvalue()


def test_an_error_takes_the_bar_away(terminal):
    with pytest.raises(KeyError), Screen().stage("counting"):
        raise KeyError
    assert "\x1b[?25h" in terminal.getvalue()


@pytest.mark.parametrize("quiet", [True, False])
def test_no_progress_where_nobody_looks(capsys, quiet):
    with Screen(quiet=quiet).stage("counting"):
        da.ones(8, chunks=2).sum().compute(scheduler="sync")
    with Screen(quiet=quiet).counter("training") as tell:
        assert tell is None
    assert capsys.readouterr() == ("", "")


def test_what_took_long_is_told_at_its_end(capsys, monkeypatch):
    monkeypatch.setattr(screens, "LONG", 0.01)
    with Screen().stage("sleeping"):
        time.sleep(0.02)
    assert capsys.readouterr() == ("", "sleeping: 0.0 s\n")


def test_json_is_pure_and_has_no_nan(capsys, tmp_path):
    facts = {"path": tmp_path, "n": np.int64(3), "x": [np.float32(0.5), float("nan")], "none": None, "yes": True}
    Screen(json=True).result(facts, ["a line"], then="a hint")
    out, err = capsys.readouterr()
    assert json.loads(out) == {"path": str(tmp_path), "n": 3, "x": [0.5, None], "none": None, "yes": True}
    assert err == ""


def test_results_go_to_stdout_and_hints_to_stderr(capsys):
    Screen().result({}, ["wrote  a\x1b[31m"], then="look at it")
    assert capsys.readouterr() == ("wrote  a\\x1b[31m\n", "next: look at it\n")
    Screen(quiet=True).result({}, ["wrote a"], then="look at it")
    Screen(quiet=True).note("something")
    assert capsys.readouterr() == ("", "")
    Screen(quiet=True).facts({}, ["asked for"])
    assert capsys.readouterr().out == "asked for\n"


def test_each_warning_is_one_line_once(capsys):
    with one_line_warnings(Screen()):
        for _ in range(2):
            warnings.warn("two\nlines", RecipeWarning, stacklevel=1)
            warnings.warn("of a library", UserWarning, stacklevel=1)
            warnings.warn("for developers", DeprecationWarning, stacklevel=1)
            logging.getLogger("a.library").warning("logged %s", "too")
            logging.getLogger("a.library").info("not worth a line")
    assert capsys.readouterr().err == "warning: two lines\nwarning: of a library\nwarning: logged too\n"
    with one_line_warnings(Screen(quiet=True)):
        warnings.warn("two\nlines", RecipeWarning, stacklevel=1)
    assert capsys.readouterr().err == ""


def test_words():
    assert columns([("pair", "days"), ("a_b", 12)]) == ["pair  days", "a_b     12"]
    assert [duration(s) for s in (1.25, 89, 600, 7200)] == ["1.2 s", "89.0 s", "10 min", "2.0 h"]
    assert [size(n) for n in (12, 1234, 5.6e9, 7e12)] == ["12 bytes", "1.23 kB", "5.6 GB", "7 TB"]
    assert one_line("a\n  b\udcff") == "a b\\udcff"
