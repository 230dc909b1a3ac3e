"""Print tables: ``python -m benchmarks [TABLE ...] [--size 2048] [--runs 5] [--json]``.

kernels: each kernel on one and two threads. segment: the embedded model over a region. stream: networks
from store to store, beside the bare network and MONAI's sliding windows. memory: the same over a region and over one of
four times its pixels. first: the first call of each
kernel, compilation included. graphs: a stack of 1,500 pairs among 18,000 cells, opened and laid out, best with
``--size 4096``. store: codecs and chunks, a build beside a plain copy, builds killed at random times. simulate:
training patches of each kind of product a second and core, beside SciPy's Goldstein filter of one. texture: simulated
beside real interferograms (--real plain=FOLDER, --real city=FOLDER, --figure FILE). Without a name: kernels and
segment. ``goals MODEL ...``, with options of its own, tries models on held-out scenes; ``season`` scores the inventory
of a simulated season, seen from two orbits, against its truth; ``networks`` trains all networks on insarflow-sim-1.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

import insarflow
from benchmarks import first, goals, graphs, mapping, memory, networks, season, simulate, store, streaming, texture
from benchmarks.kernels import Images
from benchmarks.measure import Row, measure

TABLES = ("kernels", "segment", "stream", "memory", "first", "graphs", "store", "simulate", "texture")


def main(arguments: list[str] | None = None) -> list[dict[str, Any]]:
    """Measure and print."""
    given = sys.argv[1:] if arguments is None else arguments
    if given[:1] == ["goals"]:
        return goals.main(given[1:])
    if given[:1] == ["season"]:
        return [season.main(given[1:])]
    if given[:1] == ["networks"]:
        return networks.main(given[1:])
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("tables", nargs="*", metavar="TABLE", help=f"some of {', '.join(TABLES)}")
    parser.add_argument("--size", type=int, default=2048, help="side of the test image, pixels")
    parser.add_argument("--runs", type=int, default=5, help="counted runs of each")
    parser.add_argument("--only", default="", help="names that hold this text")
    parser.add_argument("--product", type=Path, help="store: kill its build at every fault point, too")
    parser.add_argument(
        "--real", action="append", default=[], metavar="KIND=FOLDER",
        help=f"texture: a real product to compare with; kinds {', '.join(texture.IMITATIONS)}",
    )  # fmt: skip
    parser.add_argument("--figure", type=Path, help="texture: PNG file to draw")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args(given)
    wrong = set(options.tables) - set(TABLES)
    if wrong:
        parser.error(f"there is no table {', '.join(sorted(wrong))}: choose some of {', '.join(TABLES)}")
    tables = options.tables or ["kernels", "segment"]
    measured: list[dict[str, Any]] = []
    if {"kernels", "segment"} & set(tables):
        rows = _rows(tables, options.size, options.runs, options.only)
        measured += _told(rows, options) if not options.json else [row.as_dict() for row in rows]
    if "stream" in tables:
        measured += _streams(options)
    if "memory" in tables:
        measured += _memory(options)
    if "first" in tables:
        calls = [first.measure(name) for name in first.CALLS if options.only in name]
        measured += [asdict(call) for call in calls]
        if not options.json:
            print(f"\n{'first call in a fresh process':28} {'nothing compiled':>18} {'cached on disk':>16}")
            for call in calls:
                print(f"{call.name:28} {call.empty:16.2f} s {call.cached:14.2f} s")
    if "graphs" in tables:
        few = {"dates": 6, "delays": 4, "pairs": 8, "two": 3} if options.size < 1024 else {}
        laid_out = [graph for graph in graphs.measure(options.size, **few) if options.only in graph.name]
        measured += [asdict(graph) for graph in laid_out]
        if not options.json:
            print(f"\n{'graph':40} {'made in':>10} {'tasks':>10} {'blocks':>8}")
            for graph in laid_out:
                print(f"{graph.name:40} {graph.seconds:8.2f} s {graph.tasks:10} {graph.blocks:8}")
    if "store" in tables:
        measured += _store(options)
    if "simulate" in tables:
        measured += _simulate(options)
    if "texture" in tables:
        measured += _texture(options, parser)
    if options.json:
        print(json.dumps(measured, indent=2))
    return measured


def _streams(options: argparse.Namespace) -> list[dict[str, Any]]:
    said = (lambda text: None) if options.json else print
    said(f"\n{'store to store, Mpx/s':22} {'ours':>7} {'bare':>7} {'ratio':>6} {'read':>6} {'MONAI':>7} {'ratio':>6}")
    rows = []
    for row in streaming.streams(options.size, options.runs, options.only):
        rows.append(row)
        peer = "not installed" if row.peer is None else f"{row.peer:7.2f} {row.mpx_per_s / row.peer:6.2f}"
        said(f"{row.name:22} {row.mpx_per_s:7.2f} {row.bare:7.2f} {row.ratio:6.2f} {row.read:6.2f} {peer}")
    return [asdict(row) for row in rows]


def _memory(options: argparse.Namespace) -> list[dict[str, Any]]:
    rows = memory.peaks(options.size, options.runs)
    if not options.json:
        print(f"\n{'store to store':32} {'peak':>9} {'of first':>8} {'disk':>9} {'s':>7}")
        for row in rows:
            ratio = row.peak / rows[0].peak
            print(f"{row.name:32} {row.peak / 1e6:6.0f} MB {ratio:8.2f} {row.disk / 1e9:6.2f} GB {row.seconds:7.1f}")
    return [asdict(row) for row in rows]


def _store(options: argparse.Namespace) -> list[dict[str, Any]]:
    rows: list[store.Codec | store.Build | store.Kills] = []
    said = (lambda text: None) if options.json else print
    said(f"\n{'kept as':32} {'chunk':>6} {'B/px':>6} {'write':>8} {'read':>8} Mpx/s {'128 x 128 a second':>20}")
    for codec in store.codecs(options.size, options.runs, options.only):
        rows.append(codec)
        said(
            f"{codec.name:32} {codec.inner:6} {codec.bytes_per_px:6.2f} {codec.write:8.0f} {codec.read:8.0f} "
            f"{codec.random:26.0f}"
        )
    if options.only in "build":
        built = store.build(options.size, options.runs)
        rows.append(built)
        said(f"\n{built.name}: {built.ours:.1f} Mpx/s, a plain copy {built.plain:.1f}, ratio {built.ratio:.2f}")
    if options.only in "kills" and hasattr(os, "fork"):
        killed = store.kills(200 if options.size >= 1024 else 3)
        rows.append(killed)
        said(f"{killed.kills} kills at random times: {killed.builds} builds finished, {killed.damaged} damaged")
    if options.product is not None:
        killed = store.faults(options.product)
        rows.append(killed)
        said(f"{killed.kills} kills, one at each fault point of {options.product}: {killed.damaged} damaged")
    return [asdict(row) for row in rows]


def _simulate(options: argparse.Namespace) -> list[dict[str, Any]]:
    said = (lambda text: None) if options.json else print
    said(f"\n{'simulated, 128 x 128 a second':30} {'pair':>8} {'scene':>8} {'SciPy Goldstein':>16} {'ratios':>14}")
    rows = []
    for rate in simulate.rates(options.runs, options.only, simulate.SIDE if options.size >= 1024 else simulate.PATCH):
        rows.append(rate)
        said(
            f"{rate.name:20} {rate.pixel_size:7.2f} m {rate.alone:8.2f} {rate.scene:8.2f} {rate.scipy:16.2f} "
            f"{rate.alone / rate.scipy:7.2f} {rate.scene / rate.scipy:6.2f}"
        )
    return [asdict(rate) for rate in rows]


def _texture(options: argparse.Namespace, parser: argparse.ArgumentParser) -> list[dict[str, Any]]:
    said = (lambda text: None) if options.json else print
    products = {kind: Path(folder) for kind, _, folder in (given.partition("=") for given in options.real)}
    wrong = set(products) - set(texture.IMITATIONS)
    if wrong:
        parser.error(f"there is no kind {', '.join(sorted(wrong))}: write --real plain=FOLDER or --real city=FOLDER")
    if not products:
        said("\ntexture: skipped, no product given (--real plain=FOLDER, --real city=FOLDER)")
        return []
    size = None if options.size >= 1024 else options.size
    said(f"\n{'alike':40} {'coherence':>9} {'gradient':>9} {'spectrum':>10} {'rough':>8} {'correlation':>12}")
    rows = []
    for row, one, other in texture.measure(products, figure=options.figure, size=size):
        rows.append(row)
        said(
            f"{row.name:40} {row.coherence:9.2f} {row.gradient:9.2f} {row.spectrum:7.1f} dB {row.rough:5.1f} dB "
            f"{row.correlation:12.2f}"
        )
        for t in (one, other):
            said(f"    rough phase, rad, by tenths of coherence {t.rough.round(2)}")
            x, y = t.correlation[:, 1:6].round(2)
            said(f"    its autocorrelation at 1 to 5 px, x {x} y {y}")
    return [asdict(row) for row in rows]


def _rows(tables: list[str], size: int, runs: int, only: str) -> Iterator[Row]:
    images = Images(size)
    cases = [*(images.cases() if "kernels" in tables else []), *([mapping.case(size)] if "segment" in tables else [])]
    for case in cases:
        if only in case.name:
            yield measure(case, images.copy(), runs=runs)


def _told(rows: Iterator[Row], options: argparse.Namespace) -> list[dict[str, Any]]:
    """Print each row as it comes."""
    print(f"insarflow {insarflow.__version__}, {platform.machine()}, {options.size} x {options.size} pixels,")
    print(f"Mpx/s, median of {options.runs} runs; segment on {torch.get_num_threads()} threads\n")
    print(f"{'':26} {'1 thread':>9} {'2':>8} {'of copy':>8} {'MiB':>5}   {'baseline':20} {'Mpx/s':>8} {'ratio':>7}")
    printed = []
    for row in rows:
        two = "-" if row.mpx_per_s_2 is None else f"{row.mpx_per_s_2:.1f}"
        left = f"{row.name:26} {row.mpx_per_s:9.1f} {two:>8} {row.of_copy:8.3f} {row.peak_mib:5.0f}"
        for b in row.baselines:
            print(f"{left}   {b.name:20} {b.mpx_per_s:8.1f} {b.ratio:7.2f}", flush=True)
            left = " " * len(left)
        printed.append(row.as_dict())
    return printed


if __name__ == "__main__":
    main()
