"""One line and one exit status for everything that can go wrong."""

from __future__ import annotations

import difflib
import re
import traceback
from importlib.metadata import requires
from types import TracebackType
from typing import Any

import typer

from insarflow.errors import InsarError

FAILED, USAGE, BUG, PIPE, INTERRUPTED, TERMINATED = 1, 2, 70, 141, 130, 143

# The bases of typer's own errors, wherever this version of typer keeps them.
UsageError: Any = next(c for c in typer.BadParameter.__mro__ if c.__name__ == "UsageError")


class Terminated(KeyboardInterrupt):
    """Asked to stop by SIGTERM: as an interrupt, so that what is half written is cleaned up."""


def explain(error: BaseException) -> tuple[str, int]:
    """What to say of an error that a verb raised, and the exit status."""
    if isinstance(error, MemoryError):
        said = str(error) or "no more memory could be had"
        return f"not enough memory: {said}; fewer --workers, --memory 4GB or a smaller --bbox need less", FAILED
    if isinstance(error, ModuleNotFoundError) and not str(error.name).startswith("insarflow"):
        return (
            f"this needs the package {error.name}, which is not installed: pip install {_source(str(error.name))}",
            FAILED,
        )
    if isinstance(error, OSError) and not isinstance(error, InsarError):
        return _system(error), FAILED
    if isinstance(error, InsarError) or (isinstance(error, ValueError | TypeError) and _ours(error.__traceback__)):
        return str(error) or type(error).__name__, FAILED
    if type(error).__name__ == "KilledWorker":
        return f"workers of the scheduler died, most likely for want of memory: {error}", FAILED
    said = ": ".join([f"unexpected {type(error).__name__}", *([str(error)[:300]] if str(error) else [])])
    return f"{said}: this is a bug: run again with -v and report it with what `insarflow versions` says", BUG


def explain_usage(error: Any) -> str:
    """What to say of a command line that cannot be read."""
    ctx = error.ctx
    command = ctx.command_path if ctx is not None else "insarflow"
    kind = type(error).__name__
    if kind == "NoSuchOption":
        return _no_such_option(error, command)
    if kind == "MissingParameter" and error.param is not None:
        wanted = error.param.help.split(". ")[0].rstrip(".")
        return f"{command} needs {_names(error.param)} ({wanted}); see {command} --help"
    if isinstance(error, typer.BadParameter):
        hint = error.param_hint or (_names(error.param) if error.param is not None else "the command line")
        return f"{hint} cannot be read: {error.message.rstrip('.')}; see {command} --help"
    return f"{error.format_message().rstrip('.')}; see {command} --help"


def no_verb(wanted: str, verbs: list[str]) -> str:
    """What to say of a verb that there is not."""
    close = difflib.get_close_matches(wanted, verbs, n=1)
    return f"no verb {wanted!r}{f': did you mean {close[0]}?' if close else '.'} Verbs: {', '.join(verbs)}"


def _no_such_option(error: Any, command: str) -> str:
    there = [name for p in error.ctx.command.get_params(error.ctx) for name in p.opts if name.startswith("-")]
    close = difflib.get_close_matches(error.option_name, there, n=1)
    return f"no flag {error.option_name!r}: " + (f"did you mean {close[0]}?" if close else f"see {command} --help")


def _names(param: Any) -> str:
    if param.param_type_name == "argument":
        return str(param.metavar or param.name).rstrip(".")
    return "/".join(param.opts)


def _source(package: str) -> str:
    """What to install for a package: the extra that brings it, if one does."""
    lines = (re.fullmatch(r"([\w.-]+).*extra == ['\"](\w+)['\"].*", line) for line in requires("insarflow") or ())
    extras = {line[1]: line[2] for line in lines if line}
    return f"'insarflow[{extras[package]}]'" if package in extras else package


def _system(error: OSError) -> str:
    if error.strerror is None:
        return str(error) or type(error).__name__
    return f"{error.strerror}: {error.filename}" if error.filename else error.strerror


def _ours(trace: TracebackType | None) -> bool:
    """Whether the error was raised by this package, which words its errors for users."""
    frames = [frame for frame, _ in traceback.walk_tb(trace)]
    return bool(frames) and str(frames[-1].f_globals.get("__name__", "")).split(".")[0] == "insarflow"
