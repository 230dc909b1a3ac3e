"""All networks on insarflow-sim-1, the simulated benchmark: nobody published numbers of it."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from insarflow.datasets.sim1 import Sim1, generate
from insarflow.learn.cost import kind_of
from insarflow.learn.models.registry import BUILT_IN
from insarflow.learn.training import Training
from insarflow.workflows.reproduce_table import Row, Splits, Table, Wanted

_TRAINING: Final = Training(5, 24, precision="32-true")
_SERIES: Final = Training(5, 2, precision="32-true")
"""Two places of twelve interferograms, so that all networks see as many in a step."""


def _row(network: str) -> Row:
    series = kind_of(network) == "series"
    return Row(network, network, _SERIES if series else _TRAINING, data="series" if series else "")


def open_sim1(wanted: Wanted) -> Splits:
    """Single interferograms, or all of a place."""
    parts = (
        Sim1(wanted.folder, split=split, series=wanted.data == "series")
        for split in ("train", "validation", "test")
    )  # fmt: skip
    train, validation, test = parts
    return Splits(train, validation, test, tuple(train.channels))


def _simulate(folder: Path, _: int) -> None:
    generate(folder)


TABLE: Final = Table(
    "sim1",
    "Networks on insarflow-sim-1",
    "drsunet",
    tuple(_row(network) for network in sorted(BUILT_IN) if kind_of(network) != "clip"),
    {
        "precision": ("precision", 3), "recall": ("recall", 3), "f1": ("F1", 3), "iou": ("IoU", 3),
        "mean_f1": ("F1, mean of patches", 3), "parameters": ("parameters (10^6)", 2),
        "multiply_adds": ("multiply-adds (10^9)", 2),
    },
    open_sim1,
    _simulate,
    side=128,
    costs=128,
    simulated=True,
    notes=(
        "networks of series are given all interferograms of a place, twelve, and are scored on what any shows; their "
        "multiply-adds are of all twelve",
    ),
)  # fmt: skip
