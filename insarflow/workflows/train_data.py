"""What a model may be trained on, as a run file names it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from insarflow.ops.checks import check_choice, check_fraction, check_kind, check_number, check_whole
from insarflow.types import parse_date


@dataclass(frozen=True)
class Simulated:
    """Simulated scenes as training data.

    Attributes
    ----------
    bank
        Folder of the patches; made if it is missing.
    scenes, held_out
        Number of scenes to train on; and for validation, and for the final score.
    seed
        Of the scenes.
    """

    bank: str = "bank"
    scenes: int = 500
    held_out: int = 40
    seed: int = 1

    def __post_init__(self) -> None:
        check_text("data.bank", self.bank)
        for name, low in (("scenes", 1), ("held_out", 1), ("seed", 0)):
            check_whole(f"data.{name}", getattr(self, name), low=low)

    def absolute(self, full: Callable[[str], str]) -> Simulated:
        """The same, each path as `full` gives it."""
        return replace(self, bank=full(self.bank))


@dataclass(frozen=True)
class Labelled:
    """Stacks with labels of one's own as training data.

    Attributes
    ----------
    stacks
        Paths of stacks.
    labels
        File of polygons of movers, as `insarflow.read_labels`; in every stack at least one must lie.
    holdout
        File of polygons of the region that is kept for the score; None if `holdout_start` alone tells it.
    holdout_start
        Day: interferograms of acquisitions from it on are kept for the score, those of acquisitions before it are for
        training. By default the last three tenths of the acquisitions, two at least.
    shared_images
        Whether radar images may be on both sides, with their atmosphere and noise; scores may then be too good.
    validation
        File of polygons of the region that calibration, threshold and the choice of an epoch are made on; by default a
        strip along one side of what is left.
    fields, classes, levels
        As of `insarflow.read_labels`; no fields are those that are named as their meaning.
    border, least_confidence, elsewhen
        As of `insarflow.learn.rasterise.Drawing`.
    patch, step
        Side of the patches and their distance, pixels; the step divides the patch, and is half of it by default.
    balance
        Share of patches with a mover below which others are left out of training; None to leave none out.
    training_data_licences, dem_licences, cite
        Noted in the model's card, beside those of the model that is fine-tuned.
    licence
        Of the weights.
    """

    stacks: tuple[str, ...]
    labels: str
    holdout: str | None = None
    holdout_start: str | None = None
    shared_images: bool = False
    validation: str | None = None
    fields: Mapping[str, str] = field(default_factory=dict)
    classes: Mapping[str, str] = field(default_factory=dict)
    levels: Mapping[str, float] = field(default_factory=dict)
    border: int = 0
    least_confidence: float = 0.0
    elsewhen: str = "open"
    patch: int = 128
    step: int | None = None
    balance: float | None = 0.5
    training_data_licences: tuple[str, ...] = ()
    dem_licences: tuple[str, ...] = ()
    cite: tuple[str, ...] = ()
    licence: str = "not stated"

    def __post_init__(self) -> None:
        if not isinstance(self.stacks, tuple) or not self.stacks:
            raise TypeError(f"data.stacks must be a list of paths, instead got data.stacks={self.stacks!r:.80}")
        for name in ("stacks", "training_data_licences", "dem_licences", "cite"):
            texts = getattr(self, name)
            check_kind(f"data.{name}", texts, tuple, "a list of texts")
            for text in texts:
                check_text(f"data.{name}", text)
        for name in ("labels", "licence"):
            check_text(f"data.{name}", getattr(self, name))
        for name in ("holdout", "validation", "holdout_start"):
            if getattr(self, name) is not None:
                check_text(f"data.{name}", getattr(self, name))
        if self.holdout is None and self.holdout_start is None:
            raise ValueError(
                "data.holdout must be a file of polygons of the region that is kept for the score, instead got none: "
                "give it, or data.holdout_start, a day from which all is kept"
            )
        if self.holdout_start is not None:
            _day("data.holdout_start", self.holdout_start)
        check_kind("data.shared_images", self.shared_images, bool, "true or false")
        self._check_labels()
        self._check_patches()

    def _check_labels(self) -> None:
        for name in ("fields", "classes", "levels"):
            check_kind(f"data.{name}", getattr(self, name), Mapping, "'name: value' lines")
        for key, column in self.fields.items():
            check_text(f"data.fields.{key}", column)
        for key, level in self.levels.items():
            check_number(f"data.levels.{key}", level)
        for key, state in self.classes.items():
            check_choice(f"data.classes.{key}", state, ("moving", "open", "absent"))
        check_whole("data.border", self.border, low=0)
        check_fraction("data.least_confidence", self.least_confidence)
        check_choice("data.elsewhen", self.elsewhen, ("open", "absent"))

    def _check_patches(self) -> None:
        check_whole("data.patch", self.patch, low=8)
        if self.step is not None:
            check_whole("data.step", self.step, low=1, high=self.patch)
        if self.patch % self.distance:
            raise ValueError(f"data.step must divide data.patch={self.patch}, instead got data.step={self.distance}")
        if self.balance is not None and not 0.0 < check_fraction("data.balance", self.balance) < 1.0:
            raise ValueError(
                f"data.balance must be between 0 and 1, both excluded, or null, instead got data.balance={self.balance}"
            )

    @property
    def distance(self) -> int:
        """The step."""
        return max(self.patch // 2, 1) if self.step is None else self.step

    def absolute(self, full: Callable[[str], str]) -> Labelled:
        """The same, each path as `full` gives it."""
        holdout, validation = (None if path is None else full(path) for path in (self.holdout, self.validation))
        stacks = tuple(map(full, self.stacks))
        return replace(self, stacks=stacks, labels=full(self.labels), holdout=holdout, validation=validation)


def check_text(name: str, value: object) -> None:
    """Refuse what is no text, or an empty one.

    Raises
    ------
    TypeError
        Naming it.
    """
    if not isinstance(value, str) or not value.strip():
        raise TypeError(f"{name} must be a text that is not empty, instead got {name}={value!r:.80}")


def _day(name: str, value: str) -> np.datetime64:
    try:
        return parse_date(value)
    except (TypeError, ValueError) as error:
        raise type(error)(f"{name}: {error}") from error
