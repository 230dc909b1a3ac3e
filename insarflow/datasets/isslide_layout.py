"""ISSLIDE's crops as files: where each lies below the data set's folder, and what names mean."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from insarflow.datasets.crops import SIDE, Crop
from insarflow.datasets.folder import Origin, absent, folder_of
from insarflow.errors import ProductError, StoreError
from insarflow.stack.crop import write_crop
from insarflow.stack.replace import FolderKind, check_output, clear_folder, replacing
from insarflow.types import Pair

ORIGIN: Final = Origin(
    "ISSLIDE",
    "https://ieee-dataport.org/documents/isslide-insar-dataset-slow-sliding-area-detection-machine-learning",
    "as that page states it, with an account there",
    "Bralet et al. (2024), doi:10.1109/LGRS.2024.3365299",
    "  <root>/<delay>/<Zone>/<date1>_<date2>/phase/<move>_<k>.tif          rad, wrapped, 100 x 100\n"
    "  <root>/<delay>/<Zone>/<date1>_<date2>/coherence/<move>_<k>.tif      0 to 1\n"
    "  <root>/<delay>/<Zone>/Segmentations/<date1>_<date2>/<move>_<k>.tif  1 moves, 0 does not\n"
    "with a delay like 6days, a zone like Queyras, dates like 30Oct2018",
)

MASKS: Final = "Segmentations"

_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_DELAY: Final = re.compile(r"\D*(\d{1,4})\D*")
_CROP: Final = re.compile(r"(\d{1,9})_(\d{1,9})\.tif", flags=re.IGNORECASE)
_ZONE: Final = re.compile(r"[^\W_]+(?:[ -][^\W_]+)*")
_SHOWN: Final = 3
_NOTHING: Final = FolderKind("nothing", lambda path: False)


class Found(NamedTuple):
    """One crop's files.

    Attributes
    ----------
    zone, pair, move, k
        As of `insarflow.datasets.crops.Crop`.
    folder
        Of the interferogram, below the root.
    file
        Name of each of the three.
    """

    zone: str
    pair: Pair
    move: int
    k: int
    folder: str
    file: str


def phase_of(folder: Path, file: str) -> Path:
    """File of a crop's phase, from the interferogram's folder and its name."""
    return folder / "phase" / file


def coherence_of(folder: Path, file: str) -> Path:
    """File of a crop's coherence."""
    return folder / "coherence" / file


def mask_of(folder: Path, file: str) -> Path:
    """File of a crop's mask."""
    return folder.parent / MASKS / folder.name / file


def pair_name(pair: Pair) -> str:
    """Name of an interferogram as SNAP dates it: ``02Jul2018_08Jul2018``."""
    days = (str(day.astype("datetime64[D]")).split("-") for day in (pair.reference, pair.secondary))
    return "_".join(f"{day}{_MONTHS[int(month) - 1]}{year}" for year, month, day in days)


@dataclass(frozen=True)
class Layout:
    """The folders below a root that exists."""

    root: Path

    def crops(self) -> list[Found]:
        """All crops, by delay, zone, days and numbers.

        Raises
        ------
        ProductError
            If there are none, a name is no delay's or pair's, phase, coherence and mask are not of the same crops, or a
            link leads out of the root.
        """
        found = [files for days, name in self._delays() for files in self._of_delay(days, name)]
        if not found:
            raise absent(self.root, ORIGIN, "holds no crop")
        return sorted(found, key=lambda f: (f.pair.delay_days, f.zone, f.pair, f.move, f.k))

    def _delays(self) -> Iterator[tuple[int, str]]:
        for name in self._folders(""):
            match = _DELAY.fullmatch(name)
            if match is not None:
                yield int(match[1]), name

    def _of_delay(self, days: int, delay: str) -> Iterator[Found]:
        for zone in self._folders(delay):
            place = f"{delay}/{zone}"
            pairs = self._folders(place)
            masked = self._folders(f"{place}/{MASKS}") if MASKS in pairs else []
            shown = [name for name in pairs if name != MASKS]
            self._same("masks", masked, "interferograms", shown, place)
            for name in shown:
                yield from self._of_pair(days, zone, f"{place}/{name}", name)

    def _of_pair(self, days: int, zone: str, folder: str, name: str) -> Iterator[Found]:
        try:
            pair = Pair.parse(name)
        except (TypeError, ValueError) as error:
            raise ProductError(f"folder={str(self.root / folder)!r} must be named as a pair: {error}") from error
        if pair.delay_days != days:
            raise ProductError(
                f"folder={str(self.root / folder)!r} must span the {days} days of its delay's folder, instead got "
                f"{pair.delay_days}: move it"
            )
        phases, coherences = (self._tifs(f"{folder}/{band}") for band in ("phase", "coherence"))
        self._same("coherence", coherences, "phase", phases, folder)
        masks = self._tifs(f"{Path(folder).parent.as_posix()}/{MASKS}/{name}")
        self._same("masks", masks, "phase", phases, folder)
        for file in sorted(phases):
            match = _CROP.fullmatch(file)
            if match is None:
                raise ProductError(
                    f"file={str(self.root / folder / 'phase' / file)!r} must be named by move and number, as 12_3.tif"
                )
            yield Found(zone, pair, int(match[1]), int(match[2]), folder, file)

    def _same(self, some: str, first: Iterable[str], others: str, second: Iterable[str], place: str) -> None:
        """Check that two lists hold the same names."""
        for lacking, there, names in ((others, some, {*first} - {*second}), (some, others, {*second} - {*first})):
            if names:
                told = ", ".join(sorted(names)[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" * (len(names) > _SHOWN))
                raise ProductError(
                    f"folder={str(self.root / place)!r} must hold {lacking} wherever it holds {there}, instead there "
                    f"are none of {told}: unpack the data set anew, or remove these"
                )

    def _folders(self, place: str) -> list[str]:
        return [entry.name for entry in self._entries(place) if entry.is_dir()]

    def _tifs(self, place: str) -> list[str]:
        return [entry.name for entry in self._entries(place) if entry.name.lower().endswith(".tif") and entry.is_file()]

    def _entries(self, place: str) -> list[os.DirEntry[str]]:
        """What lies in a folder, hidden names apart; nothing if there is none."""
        try:
            with os.scandir(self.root / place) as entries:
                found = sorted((e for e in entries if not e.name.startswith(".")), key=lambda e: e.name)
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            raise ProductError(f"folder={str(self.root / place)!r} cannot be read: {error.strerror}") from error
        for entry in found:
            if entry.is_symlink() and not Path(entry.path).resolve().is_relative_to(self.root.resolve()):
                raise ProductError(f"file={entry.path!r} must lie in {str(self.root)!r}, instead it links out of it")
        return found


def layout_of(root: str | Path) -> Layout:
    """The layout below a folder.

    Raises
    ------
    ProductError
        If there is no such folder; with where to get the data set.
    """
    return Layout(folder_of(root, ORIGIN))


def check_new(root: str | Path) -> None:
    """Check that a data set may be written to a folder, before any work.

    Raises
    ------
    OutputExistsError
        If something is there.
    """
    check_output(Path(root), overwrite=False, kind=_NOTHING)


def write_isslide(root: str | Path, crops: Iterable[Crop]) -> Path:
    """Write crops in ISSLIDE's layout, which `insarflow.datasets.ISSLIDE` and ISSLIDE's own code read.

    Parameters
    ----------
    root
        Folder to make; it appears once all crops are in it.
    crops
        Of any zones and interferograms, one after the other; each of 100 x 100 pixels.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    OutputExistsError
        If something is there.
    StoreError
        If it cannot be written.
    ProductError
        If there is no crop.
    ValueError
        If a crop is of another size or kind, is there twice, or its zone has a name that no folder can have.

    Notes
    -----
    Phase and coherence are float32 with NaN where missing, masks int8 with 1 where something moves; all georeferenced
    where crops are.

    References
    ----------
    Bralet et al. (2024), doi:10.1109/LGRS.2024.3365299.
    """
    root = Path(root)
    with replacing(root, _NOTHING, overwrite=False) as folder:
        clear_folder(folder)
        count = 0
        for crop in crops:
            _write(folder, crop)
            count += 1
        if not count:
            raise ProductError(f"root={str(root)!r} must get crops, instead there are none: nothing moves anywhere")
    return root


def _write(root: Path, crop: Crop) -> None:
    name = f"{crop.move}_{crop.k}"
    told = f"the crop {name} of {crop.zone} in {crop.pair}"
    if not _ZONE.fullmatch(crop.zone) or crop.zone == MASKS:
        raise ValueError(f"a zone must be words of letters and digits, instead got zone={crop.zone!r}")
    images = {"phase": crop.phase, "coherence": crop.coherence, "mask": crop.mask}
    for kind, image in images.items():
        wanted = np.dtype(bool if kind == "mask" else np.float32)
        if image.shape != (SIDE, SIDE) or image.dtype != wanted:
            raise ValueError(
                f"the {kind} of {told} must be {wanted} of {SIDE} x {SIDE} pixels, instead got {image.dtype} of "
                f"{image.shape}"
            )
    folder = root / f"{crop.pair.delay_days}days" / crop.zone / pair_name(crop.pair)
    paths = [place(folder, f"{name}.tif") for place in (phase_of, coherence_of, mask_of)]
    if paths[0].exists():
        raise ValueError(f"a crop must be there once, instead got {told} again")
    for path, image in zip(paths, images.values(), strict=True):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"folder={str(path.parent)!r} cannot be made: {error.strerror}") from error
        write_crop(path, image.astype(np.int8) if path is paths[2] else image, crop.grid)
