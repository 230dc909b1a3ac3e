"""The command line: parse, call a workflow, print."""

from __future__ import annotations

import importlib
import signal
import sys
from typing import Any, NoReturn

from insarflow.cli.errors import Terminated
from insarflow.cli.verbs import app

__all__ = ["VERBS", "app", "main"]

VERBS = (
    *("demo", "info", "build", "map", "segment", "inventory", "update", "evaluate", "export", "simulate", "train"),
    *("reproduce", "versions"),
)
"""In the order of use, which is that of ``insarflow --help``."""

for _verb in VERBS:
    importlib.import_module(f"insarflow.cli.{_verb}")


def main() -> None:
    """Run the command line."""
    signal.signal(signal.SIGTERM, _terminated)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    app(prog_name="insarflow")


def _terminated(*_: Any) -> NoReturn:
    raise Terminated
