"""The application: how a function becomes a verb, and how a verb ends."""

from __future__ import annotations

import functools
import inspect
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from dataclasses import is_dataclass
from importlib.metadata import version
from typing import Annotated, Any, NoReturn, get_type_hints

import typer
from typer.core import TyperCommand, TyperGroup

from insarflow.cli.errors import (
    INTERRUPTED,
    PIPE,
    TERMINATED,
    USAGE,
    Terminated,
    UsageError,
    explain,
    explain_usage,
    no_verb,
)
from insarflow.cli.screen import Screen, err, one_line_warnings, say
from insarflow.cli.words import printable
from insarflow.errors import AbsentDataError

EXAMPLES: dict[str, Sequence[str]] = {}
"""Command lines that ``--help`` shows, by verb."""


class Verb(TyperCommand):
    """A verb whose help ends with examples, one per line."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write help."""
        super().format_help(ctx, formatter)
        formatter.write("\n".join([" Examples:", *(f"   {line}" for line in EXAMPLES[str(self.name)])]) + "\n")


class Verbs(TyperGroup):
    """Says what is wrong with a command line in one line."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> Any:
        """Run; exit status 2 for a command line that cannot be read."""
        try:
            status = super().main(args, prog_name, complete_var, False, windows_expand_args, **extra)
        except UsageError as error:
            say("error", explain_usage(error), "red")
            status = USAGE
        except typer.Abort:
            status = INTERRUPTED
        if standalone_mode:
            sys.exit(status if isinstance(status, int) else 0)
        return status

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The verb; a misspelt one is answered with the nearest."""
        if self.get_command(ctx, args[0]) is None:
            say("error", no_verb(args[0], self.list_commands(ctx)), "red")
            raise typer.Exit(USAGE)
        return super().resolve_command(ctx, args)


app = typer.Typer(
    name="insarflow",
    cls=Verbs,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback(invoke_without_command=True)
def root(
    ctx: typer.Context,
    show_version: Annotated[bool, typer.Option("--version", help="Print the version.", metavar="")] = False,
) -> None:
    """From stacks of radar interferograms to maps of moving slopes."""
    if show_version:
        sys.stdout.write(f"insarflow {version('insarflow')}\n")
    elif ctx.invoked_subcommand is None:
        typer.echo(ctx.get_help())


def verb(
    name: str, *, examples: Sequence[str], stopped: str = "nothing is left half written"
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Register a function as a verb.

    Parameters
    ----------
    name
        What one types.
    examples
        Command lines for ``--help``.
    stopped
        What an interrupt leaves behind.

    Notes
    -----
    A parameter annotated with a dataclass of `insarflow.cli.options` stands for all flags in it. Every verb has a
    parameter ``screen: Screen``.
    """

    def register(function: Callable[..., None]) -> Callable[..., None]:
        flags, groups = _flags(function)

        @functools.wraps(function)
        def run(**values: Any) -> None:
            given = {
                group: kind(**{field: values.pop(field) for field in get_type_hints(kind)})
                for group, kind in groups.items()
            }
            _guard(lambda: function(**values, **given), given["screen"], stopped)

        run.__signature__ = inspect.Signature(flags)  # type: ignore[attr-defined]
        run.__annotations__ = {flag.name: flag.annotation for flag in flags}
        del run.__wrapped__
        EXAMPLES[name] = examples
        app.command(name, cls=Verb)(run)
        return function

    return register


def _flags(function: Callable[..., None]) -> tuple[list[inspect.Parameter], dict[str, type]]:
    """The parameters of a verb with the dataclasses among them unfolded, and these dataclasses."""
    flags: list[inspect.Parameter] = []
    groups: dict[str, type] = {}
    hints = get_type_hints(function, include_extras=True)
    for name, parameter in inspect.signature(function).parameters.items():
        kind = hints[name]
        if is_dataclass(kind) and isinstance(kind, type):
            groups[name] = kind
            for field, annotation in get_type_hints(kind, include_extras=True).items():
                flags.append(_keyword(field, annotation, getattr(kind, field)))
        else:
            flags.append(_keyword(name, kind, parameter.default))
    return flags, groups


def _keyword(name: str, annotation: Any, default: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=annotation, default=default)


def _guard(work: Callable[[], None], screen: Screen, stopped: str) -> None:
    """Do the work of a verb; whatever it raises becomes one line and an exit status."""
    try:
        with one_line_warnings(screen):
            work()
        sys.stdout.flush()
    except (typer.Exit, UsageError):
        raise
    except BrokenPipeError:
        _leave(PIPE)
    except KeyboardInterrupt as error:
        say("stopped", stopped)
        raise typer.Exit(TERMINATED if isinstance(error, Terminated) else INTERRUPTED) from error
    except Exception as error:
        if screen.verbose:
            err.print("".join(traceback.format_exception(error)).rstrip())
        text, status = explain(error)
        first, *more = error.lines if isinstance(error, AbsentDataError) else [text]
        say("error", first, "red")
        for line in more:
            err.print(printable(line))
        raise typer.Exit(status) from error


def _leave(status: int) -> NoReturn:
    """Exit silently: nobody reads what is printed any more."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    raise typer.Exit(status)
