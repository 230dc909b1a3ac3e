"""How models do on held-out scenes, beside the goals of the embedded one.

``python -m benchmarks goals default baseline runs/a/model.safetensors --dem DEM.tif --cache FOLDER``

Models are names or files; ``baseline`` is a threshold on phase that differs from its surroundings, its five numbers
fitted to ``--bank``, or to a few scenes of the training. All are tried on the same scenes, with the threshold and the
temperature of their cards. Scenes lie partly outside the ranges of the training. With ``--dem`` the ground of pairs
without any mover, of which every outline is false, is that of its steepest tiles; all others are drawn. Intervals are
those of 95 % over other scenes of the same kind.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks import alps, contrast, held_out
from benchmarks.verdict import GOALS, Candidate, Score, judged, met
from insarflow.errors import InsarError
from insarflow.learn.bank import Bank, generate
from insarflow.learn.trial import SETTINGS, Setting

SEED = 11
"""Of the first kind of scenes; the others have those that follow. Training has 1, validation 2, the test 3."""

SHARE = {
    "isslide": 1.0, "isslide, inside": 0.25, "unfiltered": 0.2, "phase only": 0.2, "looks5x20": 0.2, "looks4x20": 0.1,
    "at rest": 1.0,
}  # fmt: skip
"""Scenes of each kind over those of the first."""

BASELINE = "baseline"
_TRAINING_SEED, _TRAINING_SCENES = 1, 40


def main(arguments: list[str] | None = None) -> list[dict[str, Any]]:
    """Try models and print."""
    options = _options(arguments)
    said: Callable[[str], None] = lambda text: print(text, file=sys.stderr, flush=True)  # noqa: E731
    start = time.perf_counter()
    scores: list[Score] = []
    try:
        loaded = {name: Candidate.load(name) for name in options.models if name != BASELINE}
        with _folder(options.cache) as cache:
            kinds = list(_kinds(options))
            places = held_out.simulate(kinds, cache, workers=options.workers, said=said)
            said(f"scenes there after {time.perf_counter() - start:.0f} s")
            for name in options.models:
                model = loaded[name] if name in loaded else _baseline(options, cache)
                for kind in kinds:
                    scores += judged(model, kind, places[kind.name])
                said(f"{name} tried after {time.perf_counter() - start:.0f} s")
    except InsarError as error:
        raise SystemExit(f"error: {error}") from error
    rows = [asdict(score) for score in scores]
    if options.json:
        print(json.dumps(rows, indent=2))
    else:
        _table(scores, options.models)
    return rows


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks goals", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("models", nargs="+", metavar="MODEL", help=f"a name, a .safetensors file, or {BASELINE!r}")
    parser.add_argument("--scenes", type=int, default=40, help="of the first kind, at least 2")
    parser.add_argument("--side", type=int, help="of all scenes, pixels: a multiple of 32, for small runs")
    parser.add_argument("--only", nargs="+", choices=tuple(SETTINGS), help="kinds of scenes", default=tuple(SETTINGS))
    parser.add_argument("--dem", type=Path, help="raster of heights, m: the ground of pairs without movers")
    parser.add_argument("--cache", type=Path, help="folder that keeps the scenes")
    parser.add_argument("--bank", type=Path, help="folder of a bank of patches, to fit the baseline to")
    parser.add_argument("--workers", type=int, default=2, help="processes that simulate")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args(arguments)
    if options.scenes < 2:
        parser.error(f"--scenes must be at least 2, instead got {options.scenes}")
    return options


@contextmanager
def _folder(cache: Path | None) -> Iterator[Path]:
    if cache is not None:
        yield cache
        return
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def _kinds(options: argparse.Namespace) -> Iterator[held_out.Kind]:
    for k, (name, setting) in enumerate(SETTINGS.items()):
        if name not in options.only:
            continue
        wanted = setting if options.side is None else Setting(**{**vars(setting), "side": options.side})
        count = max(round(options.scenes * SHARE[name]), 2)
        if options.dem is None or not setting.at_rest:
            yield held_out.Kind(name, wanted, SEED + k, count)
            continue
        grounds = alps.tiles(options.dem, side=wanted.side, spacing=wanted.pixel_size, count=count)
        yield held_out.Kind(name, wanted, SEED + k, count, grounds, alps.fingerprint(grounds))


def _baseline(options: argparse.Namespace, cache: Path) -> Candidate:
    if options.bank is not None:
        return Candidate(BASELINE, *contrast.fit(Bank.open(options.bank)))
    scenes = min(_TRAINING_SCENES, options.scenes)
    folder = cache / f"baseline-{scenes}"
    if not (folder / "done").exists():
        generate(folder, scenes, seed=_TRAINING_SEED, workers=options.workers)
        (folder / "done").touch()
    return Candidate(BASELINE, *contrast.fit(Bank.open(folder)))


def _table(scores: Sequence[Score], models: Sequence[str]) -> None:
    """A line for each score, a column for each model."""
    names = [Path(m).stem if len(Path(m).parts) > 1 else m for m in models]
    print(f"{'':52}" + "".join(f"{name[-24:]:>26}" for name in names))
    kind = ""
    for key in dict.fromkeys((s.kind, s.of, s.measure) for s in scores):
        of_each = {s.model: s for s in scores if (s.kind, s.of, s.measure) == key}
        if key[0] != kind:
            kind = key[0]
            print(f"\n{kind}")
        first = next(iter(of_each.values()))
        left = f"  {key[1]:26} {key[2]:16} {first.count:>6}"
        print(f"{left:52}" + "".join(f"{of_each[m].text() if m in of_each else '-':>26}" for m in models))
    print("\ngoals")
    for goal in GOALS:
        cells = [met(goal, [s for s in scores if s.model == m]) for m in models]
        print(f"  {goal.text():50}" + "".join(f"{cell:>26}" for cell in cells))
