"""Interferograms over volcanoes with what experts say of them: Hephaestus."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
import torch

from insarflow.datasets.annotations import MOST_BYTES, class_mask, read_annotations
from insarflow.datasets.folder import Origin, absent, folder_of
from insarflow.datasets.parts import Part, by_group, part_of
from insarflow.datasets.rows import Rows
from insarflow.errors import ProductError
from insarflow.learn.augment import Transform
from insarflow.learn.patches import Sample
from insarflow.learn.phase import CHANNELS
from insarflow.ops.checks import check_whole
from insarflow.simulate.truth import ABSENT, MISSING, MOVING, OPEN
from insarflow.stack.png import read_png

ORIGIN: Final = Origin(
    name="Hephaestus",
    source="https://github.com/Orion-AI-Lab/Hephaestus, annotations also https://github.com/Orion-AI-Lab/Thalia",
    licence="MIT of the annotations as Thalia has them; images are of COMET LiCSAR, from Copernicus Sentinel data",
    cite="Bountos et al. 2022, Hephaestus: a large scale multitask dataset towards InSAR understanding, CVPR workshops",
    tree=(
        "  <root>/annotations/<uniqueID>.json   or <root>/annotations.jsonl\n"
        "  <root>/frame_names.json              volcanoes of each frame; may be missing\n"
        "  <root>/<frameID>/interferograms/<primary>_<secondary>/<primary>_<secondary>.geo.diff.png, or InSAR.png\n"
        "  <root>/<frameID>/interferograms/<primary>_<secondary>/<primary>_<secondary>.geo.cc.png, or Coherence.png"
    ),
)

PHASE: Final = ("{pair}.geo.diff.png", "InSAR.png")
COHERENCE: Final = ("{pair}.geo.cc.png", "Coherence.png")
"""Names of images in the folder of a pair."""

_MOST_FRAMES: Final = 10_000


class Hephaestus(Rows):
    """A crop of each annotated interferogram, around what deforms.

    Parameters
    ----------
    root
        Folder as in `ORIGIN`. Without images all but samples is there.
    split
        ``"train"``, ``"validation"``, ``"test"``; None for all. All interferograms of a frame are in one part, and so
        are frames that show the same volcano, as far as ``frame_names.json`` tells; the parts hold 7:2:1 of the
        polygons, as near as whole frames allow.
    transforms
        A random change of a batch (`insarflow.learn.augment`).
    patch
        Side of a crop, pixels: 224 as published. It lies about the middle of all polygons, or of the image where there
        are none, shifted inwards at borders; what a smaller image lacks is missing.
    seed
        Of the split's ties and of `transforms`.

    Attributes
    ----------
    annotations
        All of `insarflow.datasets.annotations.read_annotations`.
    index
        Those of the part, without polygons and captions; with ``positive``, 1 where there are polygons; ``image``,
        whether the phase's image is there; ``group``, the number of its volcanoes' frames; ``pair``, ``reference`` and
        ``secondary``, names of interferogram and images, which are of one frame.

    Raises
    ------
    TypeError, ValueError
        If an argument makes no sense.
    InsarError
        `ProductError` if there are no annotations or they are wrong, and on reading a sample whose image is missing;
        `SelectionError` if the part has no polygon.

    Notes
    -----
    A sample: ``image``, float32 ``(3, patch, patch)``, coherence, cos and sin; ``mask``, uint8, moving in polygons;
    ``valid``, mask absent or moving; ``classes``, uint8, 0 or the number of
    `insarflow.datasets.annotations.ACTIVITIES` in polygons.

    Images are 8-bit PNG: phase is ``value / 255 * 2 pi - pi`` (steps of 1.4 degrees), coherence ``value / 255``; pixels
    are missing where both are 0, or, without an image of coherence, where the phase's is; coherence is 1 then.

    References
    ----------
    Bountos et al. (2022), Hephaestus: a large scale multitask dataset towards InSAR understanding, CVPR workshops.
    """

    origin = ORIGIN

    def __init__(
        self,
        root: str | Path,
        *,
        split: Part | None = None,
        transforms: Transform | None = None,
        patch: int = 224,
        seed: int = 0,
    ) -> None:
        self.patch = check_whole("patch", patch, low=1, high=4096)
        check_whole("seed", seed, low=0)
        self.root = folder_of(root, ORIGIN)
        sources = [path for path in (self.root / "annotations", self.root / "annotations.jsonl") if path.exists()]
        if not sources:
            raise absent(self.root, ORIGIN, "lacks annotations and annotations.jsonl")
        self.annotations = read_annotations(sources[0])
        whole = _index(self.root, self.annotations)
        rows = part_of(by_group(whole, whole["group"], seed=seed), split, whole, what="a polygon")
        super().__init__(rows, CHANNELS, transforms=transforms, seed=seed)

    def read(self, row: pd.Series[Any]) -> Sample:
        """Channels, states and classes of a crop."""
        label: Any = row.name
        told = self.annotations.loc[label]
        phase, coherence = self._images(row)
        classes = class_mask(told, phase.shape)
        y0, x0 = (
            _first(middle, self.patch, size) for middle, size in zip(_middle(told, phase), phase.shape, strict=True)
        )
        cut = [_crop(image, y0, x0, self.patch) for image in (phase, coherence, classes)]
        known = (cut[0] > 0) | (cut[1] > 0)
        angle = cut[0].astype(np.float32) * np.float32(2 * np.pi / 255) - np.float32(np.pi)
        image = np.stack((cut[1].astype(np.float32) / 255, np.cos(angle), np.sin(angle))) * known
        mask = np.where(known, np.where(cut[2] > 0, MOVING, ABSENT), MISSING) + 4 * cut[2]
        # Transforms move whole numbers: the state, and above it the class.
        return {"image": torch.from_numpy(image), "mask": torch.from_numpy(mask.astype(np.uint8))}

    def finish(self, sample: Sample, row: pd.Series[Any]) -> Sample:
        """The same with states and classes by themselves."""
        mask = sample["mask"] % 4
        return {"image": sample["image"], "mask": mask, "valid": mask < OPEN, "classes": sample["mask"] // 4}

    def _images(self, row: pd.Series[Any]) -> tuple[np.ndarray, np.ndarray]:
        """Codes of phase and coherence, each uint8 ``(y, x)``."""
        folder = _folder(self.root, row["frameID"], row["pair"])
        file = _one_of(folder, PHASE, row["pair"])
        if file is None:
            raise absent(self.root, ORIGIN, f"lacks {_folder(Path(), row['frameID'], row['pair']) / PHASE[1]}")
        phase = read_png(file)
        other = _one_of(folder, COHERENCE, row["pair"])
        if other is None:
            return phase, np.where(phase > 0, 255, 0).astype(np.uint8)
        coherence = read_png(other)
        if coherence.shape != phase.shape:
            raise ProductError(
                f"file={str(other)!r} must have the pixels of {file.name}, {phase.shape}, instead got {coherence.shape}"
            )
        return phase, coherence


def read_frame_names(path: Path) -> dict[str, frozenset[str]]:
    """Volcanoes of each frame, in small letters, from ``frame_names.json``.

    Raises
    ------
    ProductError
        If it is no JSON object of texts.
    """
    try:
        with path.open("rb") as stream:
            text = stream.read(MOST_BYTES + 1)
        found = json.loads(text) if len(text) <= MOST_BYTES else None
    except (OSError, ValueError, RecursionError) as error:
        raise ProductError(f"file={str(path)!r} must be JSON, instead it cannot be read: {error}") from error
    if not isinstance(found, dict) or not all(isinstance(names, str) for names in found.values()):
        raise ProductError(f"file={str(path)!r} must be an object with the volcanoes of each frame as text")
    names = {frame: {part.strip().lower() for part in told.split(",")} for frame, told in found.items()}
    return {frame: frozenset(told - {"", "unnamed"}) for frame, told in names.items()}


def groups_of(frames: pd.Series[Any], volcanoes: Mapping[str, frozenset[str]]) -> pd.Series[Any]:
    """A number for each row's frame, the same for frames that have a volcano in common, also by way of others."""
    known = sorted(set(frames))
    of: dict[str, int] = {}
    seen: dict[str, int] = {}
    for frame in known:
        shared = {seen[name] for name in volcanoes.get(frame, ()) if name in seen}
        number = min(shared, default=len(of))
        of = {key: number if old in shared else old for key, old in of.items()} | {frame: number}
        seen = {key: number if old in shared else old for key, old in seen.items()}
        seen |= dict.fromkeys(volcanoes.get(frame, ()), number)
    return frames.map(of)


def _index(root: Path, annotations: pd.DataFrame) -> pd.DataFrame:
    names = root / "frame_names.json"
    volcanoes = read_frame_names(names) if names.is_file() else {}
    days = {field: annotations[f"{field}_date"].dt.strftime("%Y%m%d") for field in ("primary", "secondary")}
    frame, pair = annotations["frameID"], days["primary"] + "_" + days["secondary"]
    there = [_one_of(_folder(root, f, p), PHASE, p) is not None for f, p in zip(frame, pair, strict=True)]
    return annotations.drop(columns=["segmentation_mask", "caption"]).assign(
        positive=(annotations["segmentation_mask"].map(len) > 0).astype(float), image=there,
        group=groups_of(frame, volcanoes), pair=pair,
        reference=frame + "_" + days["primary"], secondary=frame + "_" + days["secondary"],
    )  # fmt: skip


def _folder(root: Path, frame: str, pair: str) -> Path:
    return root / frame / "interferograms" / pair


def _one_of(folder: Path, names: tuple[str, ...], pair: str) -> Path | None:
    files = (folder / name.format(pair=pair) for name in names)
    return next((file for file in files if file.is_file()), None)


def _middle(told: pd.Series[Any], image: np.ndarray) -> tuple[float, float]:
    """Row and column in the middle of all polygons, or of the image."""
    polygons = told["segmentation_mask"]
    if not polygons:
        return image.shape[0] / 2, image.shape[1] / 2
    places = np.concatenate(polygons)
    x, y = (places.min(0) + places.max(0)) / 2
    return float(y), float(x)


def _first(middle: float, patch: int, size: int) -> int:
    """First pixel of a crop, inside where the image is large enough."""
    return int(min(max(round(middle - patch / 2), 0), max(size - patch, 0)))


def _crop(image: np.ndarray, y0: int, x0: int, patch: int) -> np.ndarray:
    """A crop, 0 beyond the image."""
    cut = image[y0 : y0 + patch, x0 : x0 + patch]
    return np.pad(cut, [(0, patch - size) for size in cut.shape])
