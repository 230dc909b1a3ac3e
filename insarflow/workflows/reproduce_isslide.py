"""Table I of the ISSLIDE paper: seven networks on crops of interferograms."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from insarflow.datasets.isslide import ISSLIDE
from insarflow.datasets.isslide_simulated import simulate_isslide
from insarflow.datasets.isslide_splits import SCHEMES
from insarflow.learn.training import Training
from insarflow.workflows.reproduce_table import Row, Splits, Table, Wanted

_EVERY: Final = 10
"""One of so many training crops is watched."""


def _training(epochs: int, rate: float) -> Training:
    return Training(
        epochs, 8, rate, "constant", augmentations={"offset": {}}, clip=None, betas=(0.5, 0.999), precision="32-true"
    )


_SMALL: Final = _training(300, 1e-5)
_DEEP: Final = _training(600, 1e-7)


def _row(name: str, network: str, training: Training, *scores: float) -> Row:
    named = dict(zip(("f1", "auc_last", "dice", "iou", "hausdorff"), scores, strict=True))
    return Row(name, network, training, named, pretrained=name.endswith("_P"))


def open_isslide(wanted: Wanted) -> Splits:
    """Crops by a split; the paper has none for validation."""
    train, test = (
        ISSLIDE(wanted.folder, split=side, scheme=wanted.scheme, moving_only=True, seed=wanted.seed)  # type: ignore[arg-type]
        for side in ("train", "test")
    )
    watched = train.at(train.index.iloc[::_EVERY])
    note = (
        f"{len(train)} crops to train on, {len(test)} to test on. There is no validation set: the honest threshold is "
        f"chosen on one in {_EVERY} training crops, which the network was trained on"
    )
    return Splits(train, watched, test, tuple(train.channels), note)


def _simulate(folder: Path, seed: int) -> None:
    simulate_isslide(folder, acquisitions=14, seed=seed)


TABLE: Final = Table(
    "isslide",
    "Table I of Bralet et al. (2024), doi:10.1109/LGRS.2024.3365299",
    "isslide",
    (
        _row("FCN_S", "fcn-resnet50", _DEEP, 0.690, 0.980, 0.645, 0.503, 21.695),
        _row("FCN_P", "fcn-resnet50", _DEEP, 0.677, 0.976, 0.628, 0.486, 22.951),
        _row("DeepLabV3_S", "deeplabv3-resnet50", _DEEP, 0.673, 0.978, 0.630, 0.486, 22.352),
        _row("DeepLabV3_P", "deeplabv3-resnet50", _DEEP, 0.666, 0.976, 0.620, 0.480, 22.887),
        _row("UNet", "small-unet", _SMALL, 0.675, 0.977, 0.636, 0.497, 25.912),
        _row("ResUNet", "resunet", _SMALL, 0.681, 0.979, 0.639, 0.500, 25.921),
        _row("SepUNet", "sepunet", _SMALL, 0.651, 0.972, 0.606, 0.466, 28.026),
    ),
    {
        "f1": ("F1-S", 3), "auc_last": ("AUC", 3), "auc": ("AUC of all", 3), "dice": ("Dice", 3), "iou": ("IoU", 3),
        "hausdorff": ("HD (px)", 3), "threshold": ("threshold", 2),
    },
    open_isslide,
    _simulate,
    SCHEMES,
    side=100,
    notes=(
        "AUC is that of the last patch, as the released script prints it; AUC of all is that of all pixels",
        "_S are drawn weights, as the paper says; the released code starts them from ImageNet's",
    ),
)  # fmt: skip
