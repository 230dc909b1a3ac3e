"""All networks on insarflow-sim-1, each trained on the same samples for as many steps, scored on scenes it never saw.

``python -m benchmarks networks --data FOLDER --out FOLDER [--networks resunet ...] [--patches 4800] [--epochs 5]``

An epoch is ``--patches`` patches of the train split, half of them with movers, in batches of 24; a network of series
gets as many interferograms, twelve of a place in a sample. Loss, learning rate, schedule and augmentations are those of
`insarflow.learn.training.Training`. Temperature, shift and threshold are fitted to the validation split. Each row is
kept in ``--out`` as soon as it is there, and the same call goes on after the last epoch of what was stopped. A row that
would train for more than ``--minutes`` on this machine is not run, and says how long it would take.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, Final

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from insarflow.datasets.sim1 import Sim1
from insarflow.datasets.sim1_scenes import PAIRS, Split
from insarflow.datasets.sim1_store import PATCH
from insarflow.errors import InsarError
from insarflow.learn.bank import FEW
from insarflow.learn.metrics import PixelScores
from insarflow.learn.models import list_models, spec_of
from insarflow.learn.scoring import Place, calibrate, logits_of, score
from insarflow.learn.train import fit, fresh_network
from insarflow.learn.training import Training

BATCH: Final = 24
"""Interferograms of a batch: two places of a series, so that all networks take as many steps."""

SEED: Final = 1
_SLOW: Final = 5.0
"""Seconds of a step from which one is enough to know."""

_WATCHED: Final = 240
"""Validation patches whose loss is followed."""

_TESTS: Final[tuple[Split, ...]] = ("test", "beyond")


@dataclass(frozen=True)
class Row:
    """What is known of a network.

    Attributes
    ----------
    network
        Its name.
    parameters
        That are trained.
    multiply_adds
        For one patch of 128 x 128; of a series the mean of its interferograms.
    patches_per_s
        Trained a second on this machine; the loading of samples not counted.
    hours
        That the training takes at this rate.
    minutes
        That it took; None if it was not run.
    threshold
        Fitted to the validation split; None if it was not run.
    scores
        By split, then as `insarflow.learn.scoring.score`; empty if it was not run.
    """

    network: str
    parameters: int
    multiply_adds: float
    patches_per_s: float
    hours: float
    minutes: float | None = None
    threshold: float | None = None
    scores: dict[str, Any] = field(default_factory=dict)


def main(arguments: list[str] | None = None) -> list[dict[str, Any]]:
    """Train, score and print."""
    options = _options(arguments)
    said: Callable[[str], None] = lambda text: print(text, file=sys.stderr, flush=True)  # noqa: E731
    budget = {"patches": options.patches, "epochs": options.epochs, "batch": BATCH, "scenes": options.scenes}
    try:
        Sim1(options.data)  # tells what is missing before anything is done
        kept = _kept(options.out / "networks.json", budget)
        for name in options.networks:
            if name in kept and (kept[name].scores or kept[name].hours * 60 > options.minutes):
                continue
            if _kind(name) == "clip":
                said(f"{name} gives one answer for a clip, and no map: left out")
                continue
            kept[name] = _row(name, options, said)
            _keep(options.out / "networks.json", budget, kept)
    except InsarError as error:
        raise SystemExit(f"error: {error}") from error
    rows = [kept[name] for name in options.networks if name in kept]
    if options.json:
        print(json.dumps([asdict(row) for row in rows], indent=2))
    else:
        _table(rows, budget)
    return [asdict(row) for row in rows]


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks networks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder that insarflow.datasets.sim1.generate filled")
    parser.add_argument("--out", type=Path, required=True, help="folder that keeps rows and trainings")
    parser.add_argument("--networks", nargs="+", choices=list_models(), default=list_models(), metavar="NAME")
    parser.add_argument("--patches", type=int, default=4800, help=f"of an epoch, a multiple of {BATCH}")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--minutes", type=float, default=60.0, help="longest training of a row")
    parser.add_argument("--scenes", type=int, help="that are scored, of each split: the first ones, for small runs")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args(arguments)
    if options.patches < BATCH or options.patches % BATCH:
        parser.error(f"--patches must be a multiple of {BATCH}, instead got {options.patches}")
    if options.epochs < 1:
        parser.error(f"--epochs must be at least 1, instead got {options.epochs}")
    return options


def _row(name: str, options: argparse.Namespace, said: Callable[[str], None]) -> Row:
    series = _kind(name) == "series"
    network = fresh_network(name, 3, seed=SEED)
    parameters = sum(p.numel() for p in network.parameters() if p.requires_grad)
    steps = options.patches // BATCH * options.epochs
    seconds = step_seconds(network, series=series)
    row = Row(name, parameters, multiply_adds(network, series=series), BATCH / seconds, steps * seconds / 3600)
    if row.hours * 60 > options.minutes:
        said(f"{name}: not run, {row.hours:.1f} hours")
        return row
    said(f"{name}: {row.patches_per_s:.1f} patches a second, about {row.hours * 60:.0f} minutes")
    # Its batch norm has seen noise.
    network = fresh_network(name, 3, seed=SEED)
    start = time.perf_counter()
    train(name, network, options, series=series)
    minutes = (time.perf_counter() - start) / 60
    validation = list(places(network, Sim1(options.data, split="validation", series=series), options.scenes))
    calibration = calibrate(validation, None)
    pixels = PixelScores()
    for place in validation:
        pixels.update(calibration.probability(place.logits), place.target)
    threshold = pixels.best_threshold()
    scores: dict[str, Any] = {}
    for split in _TESTS:
        if (options.data / f"{split}.json").exists():
            found = places(network, Sim1(options.data, split=split, series=series), options.scenes)
            told = score(found, threshold=threshold, calibration=calibration)
            # A series has one map, that of the season.
            scores[split] = {"season": told["season"]} if series else told
    return Row(**{**asdict(row), "minutes": minutes, "threshold": threshold, "scores": scores})


def train(name: str, network: nn.Module, options: argparse.Namespace, *, series: bool) -> None:
    """Train on samples of the train split that are the same for every network of a kind."""
    each = len(PAIRS) if series else 1
    data, watched = (
        chosen(Sim1(options.data, split=split, series=series), count // each)
        for split, count in (("train", options.patches), ("validation", _WATCHED))
    )
    training = Training(options.epochs, batch_size=BATCH // each, seed=SEED)
    folder = options.out / name
    fit(network, data, watched, folder, training, resume=True, progress=False)


def chosen(data: Sim1, count: int) -> Sim1:
    """So many samples, half of them with at least `insarflow.learn.bank.FEW` moving pixels, if there are as many."""
    moving = data.index["positive"] * PATCH**2 >= FEW
    rng = np.random.default_rng(SEED)
    with_movers = min(int(moving.sum()), count - min(int((~moving).sum()), count // 2))
    rows = [
        rng.choice(data.index.index[here], min(number, int(here.sum())), replace=False)
        for here, number in ((moving, with_movers), (~moving, count - with_movers))
    ]
    return data.at(np.sort(np.concatenate(rows)))


def places(network: nn.Module, data: Sim1, scenes: int | None) -> Iterator[Place]:
    """What a network says of all samples of a split, place by place."""
    index = data.index if scenes is None else data.index[data.index["scene"] < scenes]
    for (scene, _, _), rows in index.groupby(["scene", "y", "x"]):
        part = data.at(rows)
        samples = [part[k] for k in range(len(part))]
        target = torch.stack([sample["mask"] for sample in samples]).numpy()
        if data.series:
            given = [torch.stack([sample[key] for sample in samples]) for key in ("image", "when", "there")]
            network.eval()
            with torch.inference_mode():
                yield Place(str(scene), network(*given)[:, 0].numpy(), target, np.zeros(len(part), np.int64))
            continue
        logits = logits_of(network, torch.stack([sample["image"] for sample in samples]))
        yield Place(str(scene), logits, target, (rows["delay"] / pd.Timedelta(days=1)).to_numpy(np.int64))


def step_seconds(network: nn.Module, *, series: bool, runs: int = 3) -> float:
    """Median time of a step of training on a batch that is there; of slow networks that of the first."""
    given = _given(BATCH, series=series)
    optimiser = torch.optim.AdamW(network.parameters())
    network.train()
    times = []
    for _ in range(runs + 1):
        start = time.perf_counter()
        optimiser.zero_grad()
        logits = network(*given)
        nn.functional.binary_cross_entropy_with_logits(logits, torch.zeros_like(logits)).backward()
        optimiser.step()
        times.append(time.perf_counter() - start)
        if times[0] > _SLOW:
            break
    return median(times[1:] or times)


def multiply_adds(network: nn.Module, *, series: bool) -> float:
    """Of convolutions and products of matrices, for one interferogram of 128 x 128."""
    network.eval()
    counter = FlopCounterMode(display=False)
    given = _given(len(PAIRS) if series else 1, series=series)
    with counter, torch.no_grad():
        network(*given)
    return counter.get_total_flops() / 2 / (len(PAIRS) if series else 1)


def _given(interferograms: int, *, series: bool) -> tuple[Tensor, ...]:
    """What a network of a kind takes, drawn."""
    generator = torch.Generator().manual_seed(SEED)
    image = torch.rand(interferograms, 3, PATCH, PATCH, generator=generator)
    if not series:
        return (image.contiguous(memory_format=torch.channels_last),)
    count = interferograms // len(PAIRS)
    when = torch.rand(count, len(PAIRS), 2, generator=generator) * 100
    return image.reshape(count, len(PAIRS), 3, PATCH, PATCH), when, torch.ones(count, len(PAIRS), dtype=torch.bool)


def _kind(name: str) -> str:
    return str(getattr(spec_of(name), "kind", "image"))


def _kept(file: Path, budget: dict[str, Any]) -> dict[str, Row]:
    """Rows of former calls."""
    if not file.exists():
        return {}
    there = json.loads(file.read_text())
    if there["budget"] != budget:
        raise SystemExit(f"error: {file} holds rows of another budget, {there['budget']}: name another --out")
    return {row["network"]: Row(**row) for row in there["rows"]}


def _keep(file: Path, budget: dict[str, Any], rows: dict[str, Row]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_suffix(".part")
    part.write_text(json.dumps({"budget": budget, "rows": [asdict(row) for row in rows.values()]}, indent=1))
    part.replace(file)


def _table(rows: Sequence[Row], budget: dict[str, Any]) -> None:
    steps = budget["patches"] // BATCH * budget["epochs"]
    print(f"{budget['epochs']} epochs of {budget['patches']} patches, {steps} steps of {BATCH}\n")
    print(f"{'':20} {'parameters':>11} {'10^9 MAC':>9} {'patch/s':>8} {'minutes':>8}")
    for row in rows:
        took = f"{row.minutes:8.1f}" if row.minutes is not None else f"not run: {row.hours:.1f} h"
        print(f"{row.network:20} {row.parameters:11,} {row.multiply_adds / 1e9:9.3f} {row.patches_per_s:8.1f} {took}")
    for split in _TESTS:
        if not any(split in row.scores for row in rows):
            continue
        print(f"\n{split:20} {'':8} {'pixel F1':>20} {'IoU':>20} {'object F1':>20} {'calibration':>20}")
        for row in rows:
            for of, told in row.scores.get(split, {}).items():
                cells = (_cell(told, *which) for which in _SHOWN)
                print(f"{row.network:20} {of:8} " + " ".join(f"{cell:>20}" for cell in cells))


_SHOWN: Final = (("pixel", "f1"), ("pixel", "iou"), ("object", "f1"), ("pixel", "calibration_error"))


def _cell(told: dict[str, Any], kind: str, name: str) -> str:
    """A score and its interval."""
    low, high = told.get("intervals", {}).get(kind, {}).get(name, (None, None))
    around = "" if low is None else f" ({low:.2f}-{high:.2f})"
    return f"{told[kind].get(name, float('nan')):.3f}{around}"
