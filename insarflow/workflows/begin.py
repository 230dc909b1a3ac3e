"""The network that a training begins with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from insarflow.errors import InsarError
from insarflow.learn.models import stated_spec
from insarflow.learn.train import fresh_network
from insarflow.learn.weights import ModelCard, load_model, resolve_model
from insarflow.segment.reach import reach
from insarflow.types import JsonValue
from insarflow.workflows.run_train import TrainRun

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class Beginning:
    """A network before its training.

    Attributes
    ----------
    network
        In evaluation mode; its channels normalised as `card` says.
    architecture
        Its name.
    card
        Of the model that it is; None of drawn weights.
    facts
        What a card tells of that model: ``name`` and ``sha256``; None of drawn weights.
    """

    network: nn.Module
    architecture: str
    card: ModelCard | None = None
    facts: dict[str, JsonValue] | None = None

    def reach(self, channels: int) -> int:
        """Pixels that the network looks around one."""
        spec = stated_spec(self.architecture)
        if spec is not None:
            return spec.reach
        found = reach(self.network, channels=channels)
        return max(found.left, found.right)


def begin(run: TrainRun) -> Beginning:
    """Draw, or load, the network of a training.

    Raises
    ------
    ModelError
        If the model to fine-tune cannot be loaded.
    InsarError
        If it has other channels, or is none of single interferograms.
    """
    if run.start is None:
        _check_kind(run.architecture)
        return Beginning(fresh_network(run.architecture, len(run.channels), seed=run.training.seed), run.architecture)
    ref = resolve_model(run.start)
    network, card = load_model(ref)
    _check_kind(card.architecture)
    if card.channels != run.channels:
        raise InsarError(
            f"the model {run.start} must have the channels {run.channels}, instead got {card.channels}: name its "
            "channels under model.channels"
        )
    return Beginning(network, card.architecture, card, {"name": ref.name, "sha256": ref.sha256})


_INSTEAD: Final = {
    "clip": "insarflow.learn.classify.fit_clips trains it on clips, and insarflow reproduce nava shows how",
    "series": "insarflow.learn.train.fit trains it on an insarflow.SeriesDataset",
}


def _check_kind(architecture: str) -> None:
    spec = stated_spec(architecture)
    if spec is not None and spec.kind != "image":
        raise InsarError(
            f"the network must map single interferograms, instead got {architecture}, of kind {spec.kind!r}: "
            f"{_INSTEAD[spec.kind]}"
        )
