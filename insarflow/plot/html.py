"""What ``ds.insar`` shows of itself, in a notebook and in a terminal."""

from __future__ import annotations

from html import escape
from typing import Final

import numpy as np
import xarray as xr

from insarflow.plot.facts import facts, known_pairs, next_steps, variables
from insarflow.types import Pair

WIDTH: Final = 460
HEIGHT: Final = 80
"""Of the sketch, pixels."""

MOST_ARCS: Final = 400
"""Pairs in the sketch; of more, those of the shortest delays."""

# Colours are those of the page around it, so that it can be read in light and in dark themes.
STYLE: Final = (
    "<style>.insar-stack{font-size:13px;max-width:720px}"
    ".insar-stack table{border-collapse:collapse;background:none;margin:4px 0;color:inherit;font-size:inherit}"
    ".insar-stack td{text-align:left;padding:1px 12px 1px 0;background:none;border:none;vertical-align:top}"
    ".insar-stack td:first-child{opacity:.65;white-space:nowrap}"
    ".insar-stack .insar-next{opacity:.8}.insar-stack svg{display:block;margin:4px 0}</style>"
)


def stack_html(ds: xr.Dataset) -> str:
    """Describe a stack for a notebook, from metadata only.

    Parameters
    ----------
    ds
        Any dataset; what it lacks to be a stack is said.

    Returns
    -------
    str
        HTML without scripts that loads nothing; all text from the dataset is escaped and bounded in length.
    """
    pairs = known_pairs(ds)
    calls = ", ".join(f"<code>{escape(step)}</code>" for step in next_steps(ds))
    return (
        f'{STYLE}<div class="insar-stack"><b>insar stack</b>{_table(facts(ds))}{_sketch(pairs)}'
        f'<details open><summary>variables</summary>{_table(variables(ds))}</details><div class="insar-next">next: '
        f"{calls}</div></div>"
    )


def stack_text(ds: xr.Dataset) -> str:
    """Describe a stack for a terminal, from metadata only.

    Parameters
    ----------
    ds
        Any dataset; what it lacks to be a stack is said.

    Returns
    -------
    str
        Some lines of text.
    """
    rows = facts(ds)
    held = variables(ds)
    widest = max((len(name) for name, _ in (*rows, *held)), default=0)
    lines = [f"  {name:<{widest}}  {text}" for name, text in rows]
    lines += ["  variables:", *(f"    {name:<{widest}}  {text}" for name, text in held)] if held else ["  no variables"]
    return "\n".join(["<insar stack>", *lines, f"  next: {', '.join(next_steps(ds))}"])


def _table(rows: list[tuple[str, str]]) -> str:
    cells = "".join(f"<tr><td>{escape(name)}</td><td>{escape(text)}</td></tr>" for name, text in rows)
    return f"<table>{cells}</table>"


def _sketch(pairs: list[Pair]) -> str:
    """Dates as dots, an arc per pair."""
    if len(pairs) < 2:
        return ""
    drawn = sorted(pairs, key=lambda p: (p.delay, p))[:MOST_ARCS]
    first = min(p.reference for p in drawn)
    span = max(p.secondary for p in drawn) - first
    longest = drawn[-1].delay

    def across(day: np.datetime64) -> float:
        return 6 + (WIDTH - 12) * float((day - first) / span)

    base, dots = HEIGHT - 6, sorted({across(d) for p in drawn for d in (p.reference, p.secondary)})
    arcs = []
    for pair in drawn:
        left, right = across(pair.reference), across(pair.secondary)
        high = (HEIGHT - 12) * float(pair.delay / longest)
        arcs.append(f"M{left:.1f} {base}A{(right - left) / 2:.1f} {high:.1f} 0 0 1 {right:.1f} {base}")
    circles = "".join(f'<circle cx="{x:.1f}" cy="{base}" r="2.5"/>' for x in dots)
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" role="img" aria-label="network">'
        f'<path d="{"".join(arcs)}" fill="none" stroke="currentColor" stroke-opacity="0.45"/>'
        f'<g fill="currentColor">{circles}</g></svg>'
    )
