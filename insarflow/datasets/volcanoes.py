"""Annotated interferograms over volcanoes, written and simulated in the layout that Hephaestus has."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from insarflow.constants import SENTINEL1_WAVELENGTH
from insarflow.datasets.annotations import read_annotations
from insarflow.errors import ProductError, StoreError
from insarflow.learn.augment import power_law
from insarflow.ops.checks import check_whole
from insarflow.stack.png import write_png

_PIXEL: Final = 333.0
"""Of the published images, m."""

_TOWARD: Final = (0.62, -0.11, 0.77)
"""East, north and up of the way to a descending satellite at 39 degrees of incidence."""

_SEEN: Final = 1.0
"""Phase, rad, at which a simulated annotator draws the outline."""

_RAYS: Final = 24


def write_hephaestus(root: str | Path, record: Mapping[str, Any], phase: np.ndarray, coherence: np.ndarray) -> None:
    """Write an annotated interferogram in the layout of `insarflow.datasets.hephaestus.ORIGIN`.

    Parameters
    ----------
    root
        Folder of the data set; made if it is not there.
    record
        The annotation, with the published fields (`insarflow.datasets.annotations.COLUMNS`).
    phase
        Wrapped, rad, ``(y, x)``; NaN is missing. Kept in 8 bits, from 1 on so that nothing known is 0.
    coherence
        0..1, of the same shape; NaN is missing.

    Raises
    ------
    ValueError
        If the shapes differ or are not two-dimensional.
    ProductError
        If the record has a wrong field.
    StoreError
        If a file cannot be written.
    """
    if phase.shape != coherence.shape or phase.ndim != 2:
        raise ValueError(
            f"phase and coherence must have one shape (y, x), instead got {phase.shape} and {coherence.shape}"
        )
    pair = f"{record['primary_date']}_{record['secondary_date']}"
    missing = np.isnan(phase) | np.isnan(coherence)
    phase_code = np.clip(np.round((np.nan_to_num(phase) + np.pi) / (2 * np.pi) * 255), 1, 255)
    codes = phase_code, np.clip(np.round(np.nan_to_num(coherence) * 255), 0, 255)
    told = Path(root) / "annotations" / f"{record['uniqueID']}.json"
    try:
        told.parent.mkdir(parents=True, exist_ok=True)
        told.write_text(json.dumps(dict(record)), encoding="utf-8")
        read_annotations(told)
        folder = Path(root) / str(record["frameID"]) / "interferograms" / pair
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"{told} cannot be written: {error.strerror}") from error
    except ProductError:
        told.unlink()
        raise
    for name, code in zip(("diff", "cc"), codes, strict=True):
        write_png(folder / f"{pair}.geo.{name}.png", np.where(missing, 0, code).astype(np.uint8))


def simulate_hephaestus(
    folder: str | Path, *, scenes: int = 40, seed: int = 0, shape: tuple[int, int] = (256, 256), frames: int = 8
) -> Path:
    """Simulate annotated interferograms over volcanoes, half of them inflating, in the layout of Hephaestus.

    Parameters
    ----------
    folder
        Made if it is not there.
    scenes
        Number of interferograms.
    seed
        Scene k is a function of ``(seed, k)``.
    shape
        ``(y, x)`` pixels of 333 m.
    frames
        Number of frames that the scenes are dealt to, one after the other, two scenes of each at a time.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    TypeError, ValueError
        If an argument makes no sense.
    InsarError
        `ProductError` if the folder holds something already; `StoreError` if a file cannot be written.

    Notes
    -----
    Deformation is a point source in an elastic half-space (Mogi 1958): displacement in proportion to
    ``(east, north, depth) / distance**3``, along the line of sight, from 3 to 20 cm above the source at 3 to 8 km.
    Beside it turbulent air, a field with a power-law spectrum of the exponent -11/3 and up to 1.5 rad, and noise of
    phase that grows as coherence falls. The polygon is where the source's phase passes 1 rad.
    """
    check_whole("scenes", scenes, low=1)
    check_whole("seed", seed, low=0)
    check_whole("frames", frames, low=1, high=999)
    root = Path(folder)
    if root.is_dir() and any(root.iterdir()):
        raise ProductError(f"{root} must be empty to be filled with simulated data: choose another folder")
    for k in range(scenes):
        rng = np.random.default_rng((seed, k))
        phase, coherence, polygons = _interferogram(rng, shape, moves=k % 2 == 0)
        day = np.datetime64("2018-01-01") + 6 * k
        names = {field: str(day + add).replace("-", "") for field, add in (("primary", 0), ("secondary", 6))}
        moves = bool(polygons)
        record = {
            "uniqueID": k, "frameID": f"{k // 2 % frames + 1:03d}A_00000_000000",
            **{f"{field}_date": name for field, name in names.items()},
            "corrupted": 0, "processing_error": 0, "glacier_fringes": 0, "orbital_fringes": 0, "atmospheric_fringes": 2,
            "low_coherence": 0, "no_info": 0, "image_artifacts": 0,
            "label": ["Deformation" if moves else "Non_Deformation"], "activity_type": ["Mogi"] * moves,
            "intensity_level": ["Low"] * moves, "phase": "Unrest" if moves else "Rest", "confidence": 1.0,
            "segmentation_mask": polygons, "is_crowd": 0, "caption": "simulated",
        }  # fmt: skip
        write_hephaestus(root, record, phase, coherence)
    return root


def _interferogram(
    rng: np.random.Generator, shape: tuple[int, int], *, moves: bool
) -> tuple[np.ndarray, np.ndarray, list[list[float]]]:
    """Wrapped phase, coherence, and polygons of what moves."""
    generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
    air, cover = power_law((2, *shape), -11 / 3, like=torch.zeros(()), generator=generator).numpy()
    coherence = np.clip(0.55 + 0.2 * cover, 0.1, 0.95)
    total = rng.uniform(0.3, 1.5) * air + rng.normal(size=shape) * np.sqrt((1 - coherence**2) / (2 * 16 * coherence**2))
    polygons: list[list[float]] = []
    if moves:
        depth, peak = rng.uniform(3_000, 8_000), rng.uniform(0.03, 0.2) * rng.choice([-1.0, 1.0])
        middle = np.array(shape) * rng.uniform(0.3, 0.7, 2)

        def source(row: np.ndarray, col: np.ndarray) -> np.ndarray:
            east, north = (col - middle[1]) * _PIXEL, (middle[0] - row) * _PIXEL
            along = _TOWARD[0] * east + _TOWARD[1] * north + _TOWARD[2] * depth
            range_change = -peak * along * depth**2 / (east**2 + north**2 + depth**2) ** 1.5
            return np.asarray(4 * np.pi / SENTINEL1_WAVELENGTH * range_change)

        rows, cols = np.mgrid[: shape[0], : shape[1]] + 0.5
        total = total + source(rows, cols)
        polygons = [_outline(source, middle)]
    return np.angle(np.exp(1j * total)), coherence, polygons


def _outline(source: Any, middle: np.ndarray) -> list[float]:
    """Where the phase of a source passes `_SEEN` for the last time, ray by ray: ``[x, y, ...]``."""
    far = np.arange(1.0, 200.0)
    ring: list[float] = []
    for turn in 2 * np.pi * np.arange(_RAYS) / _RAYS:
        seen = np.abs(source(middle[0] + far * np.sin(turn), middle[1] + far * np.cos(turn))) > _SEEN
        reach = float(far[seen].max(initial=1.0))
        ring += [float(middle[1] + reach * np.cos(turn)), float(middle[0] + reach * np.sin(turn))]
    return ring
