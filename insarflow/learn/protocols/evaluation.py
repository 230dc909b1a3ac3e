"""A network scored twice: as a paper did, and as this project does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, get_args

import numpy as np
import torch
from torch import nn
from torch.utils.data import Dataset

from insarflow.errors import InsarError
from insarflow.learn.classify import ClipSamples
from insarflow.learn.phase import CHANNELS
from insarflow.learn.protocols.drsunet import PixelCounts
from insarflow.learn.protocols.honest import ClipTally, PixelTally, choose
from insarflow.learn.protocols.isslide import PatchMeans
from insarflow.learn.protocols.nava import ClipCounts
from insarflow.learn.protocols.predictions import Predictions
from insarflow.learn.samples import Samples
from insarflow.ops.checks import check_choice, check_whole
from insarflow.simulate.truth import MOVING

Protocol = Literal["isslide", "drsunet", "nava"]
PROTOCOLS: Final = get_args(Protocol)

RULES: Final[Mapping[str, tuple[str, ...]]] = {
    "isslide": (
        "published: means over patches with movement, at the threshold that is best on these very patches, a constant "
        "added to each phase; F1 of mean precision and mean recall; the distance is a maximum, and with nothing "
        "predicted that to the corner; what nobody knows counts as at rest, as the papers' masks have it",
    ),
    "drsunet": (
        "published: all pixels in one confusion matrix, at 0.5, unknown ones as at rest; means over patches beside it",
    ),
    "nava": ("published: all clips in one confusion matrix, the more probable class",),
}
_HONEST: Final = {
    "isslide": "honest: all pixels, none added to the phase; outlines of patches that have one in both",
    "drsunet": "honest: all pixels that count; outlines of patches that have one in both",
    "nava": "honest: all clips",
}


@dataclass(frozen=True)
class Evaluation:
    """Two columns of scores.

    Attributes
    ----------
    protocol
        Whose arithmetic `published` is.
    published
        Scores as the paper worked them out.
    honest
        This project's own: see `insarflow.learn.protocols.honest`.
    notes
        What was done, in sentences.
    """

    protocol: str
    published: Mapping[str, float]
    honest: Mapping[str, float]
    notes: tuple[str, ...] = ()

    def table(self) -> str:
        """Both columns, a score a line, and the notes."""
        names = list(dict.fromkeys((*self.published, *self.honest)))
        rows = [
            ("score", "published", "honest"),
            *((n, _text(self.published, n), _text(self.honest, n)) for n in names),
        ]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = [f"{a:<{widths[0]}}  {b:>{widths[1]}}  {c:>{widths[2]}}" for a, b, c in rows]
        return "\n".join((*lines, *self.notes))


def evaluate(
    network: nn.Module,
    dataset: Dataset[Any],
    protocol: Protocol = "isslide",
    *,
    validation: Dataset[Any] | None = None,
    seed: int = 1,
    batch_size: int = 8,
    device: str | None = None,
) -> Evaluation:
    """Score a network on a dataset, as a paper did and as this project does.

    Parameters
    ----------
    network
        Gives logits: ``(batch, 1, y, x)`` of images or series, or ``(batch, 2)`` of clips (``"nava"``). It is put into
        evaluation mode.
    dataset
        Map-style, of samples (see `insarflow.learn.samples`) or of clips (see `insarflow.learn.classify`), without
        random changes.
    protocol
        ``"isslide"``, ``"drsunet"`` or ``"nava"``: whose arithmetic `Evaluation.published` is.
    validation
        What the honest threshold is chosen on; without it that is 0.5.
    seed
        Of the constants that ``"isslide"`` adds to the phase of each sample, at evaluation too.
    batch_size
        Samples at a time.
    device
        Where the network runs, ``"cpu"`` or ``"cuda"``; by default on a GPU if there is one.

    Raises
    ------
    TypeError, ValueError
        If an argument is none of these, or the channels do not begin with coherence, cos, sin for ``"isslide"``.
    InsarError
        If there is nothing to find in `dataset` or in `validation`, the network gives something else, or a sample is
        not what it must be, naming it.

    Examples
    --------
    >>> from insarflow.learn.models import build_model
    >>> from insarflow.learn.bank import Bank
    >>> from insarflow.learn.samples import BankDataset
    >>> target = np.zeros((2, 16, 16), np.uint8)
    >>> target[:, 4:12, 4:12] = 1
    >>> bank = Bank(np.ones((2, 3, 16, 16), np.float16), target, np.full(2, 6), np.arange(2))
    >>> found = evaluate(build_model("resunet"), BankDataset(bank), "drsunet")
    >>> sorted(found.published)
    ['f1', 'iou', 'mean_f1', 'mean_iou', 'precision', 'recall', 'threshold']
    """
    check_choice("protocol", protocol, PROTOCOLS)
    check_whole("seed", seed, low=0)
    check_whole("batch_size", batch_size, low=1)
    network.eval().to(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    kind = ClipSamples if protocol == "nava" else Samples
    tested = Predictions(network, kind(dataset, _channels(dataset, "dataset", protocol)), batch_size)
    watched = None
    if validation is not None:
        watched = Predictions(network, kind(validation, _channels(validation, "validation", protocol)), batch_size)
    threshold = choose(watched)
    published, honest = _scored(protocol, tested, threshold, seed)
    where = f"{threshold}, without validation data" if validation is None else "chosen on validation data"
    return Evaluation(protocol, published, honest, (*RULES[protocol], f"{_HONEST[protocol]}; threshold {where}"))


def _scored(
    protocol: Protocol, tested: Predictions, threshold: float, seed: int
) -> tuple[dict[str, float], dict[str, float]]:
    """Both columns; one that adds constants to the phase needs predictions of its own."""
    published = {"isslide": PatchMeans, "drsunet": PixelCounts, "nava": ClipCounts}[protocol]()
    honest = ClipTally(threshold) if protocol == "nava" else PixelTally(threshold)
    for probability, target in tested:
        honest.update(probability, target)
        if protocol != "isslide":
            published.update(probability, target == MOVING)
    if protocol == "isslide":
        for probability, target in Predictions(tested.network, tested.samples, tested.batch_size, seed):
            published.update(probability, target == MOVING)
    return published.scores(), honest.scores()


def _channels(dataset: Dataset[Any], name: str, protocol: str) -> int:
    """Of every image: as many as the first has."""
    if not len(dataset):  # type: ignore[arg-type]
        raise InsarError(f"{name} must hold samples, instead got none: nothing can be scored")
    names = getattr(dataset, "channels", CHANNELS)
    if protocol == "isslide" and tuple(names)[:3] != CHANNELS:
        raise ValueError(
            f"channels of {name} must begin with {CHANNELS} for protocol='isslide', which adds a constant to the "
            f"phase, instead got {tuple(names)}"
        )
    sample = dataset[0]
    image = sample["image"] if isinstance(sample, Mapping) and "image" in sample else None
    return image.shape[-3] if isinstance(image, np.ndarray | torch.Tensor) and image.ndim > 2 else 0


def _text(scores: Mapping[str, float], name: str) -> str:
    value = scores.get(name)
    if value is None or not np.isfinite(value):
        return "-"
    return f"{value:.0f}" if isinstance(value, int) else f"{value:.4f}"
