"""Table 3 of Nava et al.: one small network on clips of nine composites."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from insarflow.datasets.clip_changes import RandomPose
from insarflow.datasets.grd import simulate_nava
from insarflow.datasets.nava import Nava
from insarflow.learn.training import Training
from insarflow.workflows.reproduce_table import PUBLISHED, Row, Splits, Table, Wanted

_TRAINING: Final = Training(
    60, 32, 1e-3, "constant", augmentations={}, clip=None, patience=15, keep="best", precision="32-true"
)  # fmt: skip


def _row(name: str, *scores: float) -> Row:
    return Row(
        name, "nava-cnn", _TRAINING, dict(zip(("accuracy", "precision", "recall"), scores, strict=True)), name
    )  # fmt: skip


def open_nava(wanted: Wanted) -> Splits:
    """Clips of a composite by a split; those to train on are changed at random."""
    scheme = "apart" if wanted.scheme == PUBLISHED else "random"
    train, validation, test = (
        Nava(
            wanted.folder, composite=wanted.data, split=side, scheme=scheme, seed=wanted.seed,  # type: ignore[arg-type]
            transforms=RandomPose() if side == "train" else None,
        )
        for side in ("train", "validation", "test")
    )  # fmt: skip
    told = f"{len(train)} clips to train on, {len(validation)} to validate on, {len(test)} to test on"
    return Splits(train, validation, test, tuple(train.channels), told)


def _simulate(folder: Path, seed: int) -> None:
    simulate_nava(folder, scenes=8, seed=seed)


TABLE: Final = Table(
    "nava",
    "Table 3 of Nava et al. (2021), Improving landslide detection on SAR data through deep learning",
    "nava",
    (
        _row("RGB", 0.9920, 0.9960, 0.9881),
        _row("SSD", 0.8663, 0.9224, 0.8016),
        _row("SSS", 0.8084, 0.8277, 0.7817),
        _row("BAD", 0.8996, 0.9583, 0.8347),
        _row("BAS", 0.8855, 0.9658, 0.7984),
        _row("HHH", 0.8187, 0.9322, 0.6875),
        _row("BAA", 0.9417, 0.9732, 0.9083),
        _row("BAC", 0.9083, 0.9336, 0.8792),
        _row("BAH", 0.9333, 0.9522, 0.9125),
    ),
    {"accuracy": ("accuracy", 4), "precision": ("precision", 4), "recall": ("recall", 4)},
    open_nava,
    _simulate,
    (PUBLISHED, "random"),
    side=32,
    notes=(
        "the paper does not tell epochs, rate or batch, but that each composite had its best; here Adam at 0.001, "
        "batches of 32, the epoch of the lowest validation loss, and up to 60 epochs for all",
        "the paper does not tell how clips were parted, but for separate zones: here belts without common ground",
    ),
)
