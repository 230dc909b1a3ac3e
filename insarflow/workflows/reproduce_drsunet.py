"""Tables 3 and 4 of the DRs-UNet paper: three networks, and terrain beside the interferogram."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from insarflow.datasets.averaged import simulate_drs_unet
from insarflow.datasets.drs_unet import DRsUNet
from insarflow.datasets.fusion import PHASOR
from insarflow.learn.training import Training
from insarflow.workflows.reproduce_table import PUBLISHED, Row, Splits, Table, Wanted

_TRAINING: Final = Training(
    80, 16, 1e-3, "halving", augmentations={}, clip=None, halve_every=10, precision="32-true"
)  # fmt: skip

_TABLE_3: Final = ("precision", "recall", "f1", "iou")
_TABLE_4: Final = ("area_f1", "area_iou", "parameters", "multiply_adds")


def _row(name: str, network: str, data: str, test: tuple[float, ...], more: tuple[float, ...] = ()) -> Row:
    named = dict(zip(_TABLE_3, test, strict=True))
    named |= dict(zip(_TABLE_4, more, strict=True)) if more else {}
    return Row(name, network, _TRAINING, named, data)


def open_drsunet(wanted: Wanted) -> Splits:
    """Patches by a split, with a band of terrain if one is asked for."""
    channels = (*PHASOR, wanted.data) if wanted.data else PHASOR
    scheme = "random" if wanted.scheme == PUBLISHED else "apart"
    train, validation, test = (
        DRsUNet(wanted.folder, split=side, channels=channels, scheme=scheme, seed=wanted.seed)  # type: ignore[arg-type]
        for side in ("train", "validation", "test")
    )
    area = None if wanted.area is None else DRsUNet(wanted.area, channels=channels)
    told = f"{len(train)} patches to train on, {len(validation)} to validate on, {len(test)} to test on"
    told += "; F1 and IoU of the area need --area" if area is None else ""
    return Splits(train, validation, test, tuple(channels), told, area)


def _simulate(folder: Path, seed: int) -> None:
    simulate_drs_unet(folder, seed=seed)


TABLE: Final = Table(
    "drsunet",
    "Tables 3 and 4 of Chen et al. (2022), doi:10.3390/rs14081848",
    "drsunet",
    (
        _row("DRs-UNet", "drs-unet", "", (0.9607, 0.9612, 0.9608, 0.9248), (0.8831, 0.7926, 17.19, 19.12)),
        _row("DRs-UNet + DEM", "drs-unet", "dem", (0.8848, 0.9526, 0.9170, 0.8472)),
        _row("DRs-UNet + Slope", "drs-unet", "slope", (0.9518, 0.9679, 0.9597, 0.9227)),
        _row("DRs-UNet + Curvatures", "drs-unet", "curvature", (0.9583, 0.9740, 0.9661, 0.9346)),
        _row("U-Net", "unet", "", (0.9402, 0.9522, 0.9460, 0.8977), (0.8186, 0.7218, 31.03, 54.68)),
        _row("SegNet", "segnet", "", (0.9077, 0.9324, 0.9198, 0.8520), (0.8097, 0.6950, 29.45, 40.10)),
    ),
    {
        "precision": ("precision", 4), "recall": ("recall", 4), "f1": ("F1", 4), "iou": ("IoU", 4),
        "mean_f1": ("F1, mean of patches", 4), "mean_iou": ("IoU, mean of patches", 4),
        "area_f1": ("F1 of the area", 4), "area_iou": ("IoU of the area", 4),
        "parameters": ("parameters (10^6)", 2), "multiply_adds": ("multiply-adds (10^9)", 2),
    },
    open_drsunet,
    _simulate,
    (PUBLISHED, "apart"),
    side=128,
    costs=256,
    area=True,
    notes=(
        "multiply-adds are of 256 by 256 pixels; the published ones count transposed convolutions at the resolution "
        "that they give, ours at the one that they start from",
        "published F1 and IoU are of no single confusion matrix (IoU would be F1 / (2 - F1)); means over patches stand "
        "beside those of all pixels",
        "the input images are phase and intensity in three channels, which the paper does not tell more of",
    ),
)  # fmt: skip
