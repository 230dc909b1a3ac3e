"""The model that a caller names or brings, looked at before any work."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, get_args

from torch import nn

from insarflow.errors import ModelError
from insarflow.learn.models import stated_spec
from insarflow.learn.models.registry import replacements
from insarflow.learn.phase import CHANNELS
from insarflow.learn.weights import ModelCard, ModelRef, load_card, load_model, resolve_model
from insarflow.ops.checks import check_choice, check_whole
from insarflow.segment.adjustment import AS_IT_IS, Adjustment
from insarflow.segment.device import Predictor
from insarflow.segment.kinds import check_maps
from insarflow.segment.own import OwnModule
from insarflow.segment.reach import Reach, reach
from insarflow.segment.whole_tile.local import localise
from insarflow.segment.windows import round_up
from insarflow.types import Mode, Output, Precision

ModelLike = str | Path | nn.Module
"""A registered name, the path of a ``.safetensors`` file with its card beside it, or a module."""

MAX_OFFSETS: Final = 64
MAX_PATCH: Final = 4096


@dataclass(frozen=True)
class Chosen:
    """A model and how it will be run.

    Attributes
    ----------
    name
        Registered name, file name, or name of the class.
    card
        None of a module of the caller's own.
    predictor
        What the tasks carry.
    stride, reach
        Pixels; as far as what a block reads goes beyond it.
    mode
        None if no layer looks at the whole tile.
    patch
        Side of the windows of `mode`, pixels.
    """

    name: str
    card: ModelCard | None
    predictor: Predictor
    stride: int
    reach: int
    mode: Mode | None = None
    patch: int = 0

    @property
    def halo(self) -> int:
        """Pixels that windows hold on either side."""
        return round_up(self.reach, self.stride)

    @property
    def sha256(self) -> str:
        """Of the weights."""
        return self.predictor.source.sha256

    def facts(self) -> dict[str, str | int | float]:
        """What tells one way to run it from another, for attributes and recipes; defaults are left out."""
        facts: dict[str, str | int | float] = {
            "precision": self.predictor.precision, **self.predictor.adjustment.facts()
        }  # fmt: skip
        if self.mode is not None:
            facts |= {"mode": self.mode, "patch": self.patch}
        if self.predictor.offsets > 1:
            facts["offsets"] = self.predictor.offsets
        return facts


def choose(
    model: ModelLike,
    *,
    channels: Sequence[str] | None = None,
    stride: int | None = None,
    output: Output = "logits",
    precision: Precision = "exact",
    mode: Mode | None = None,
    patch: int | None = None,
    offsets: int = 1,
    tolerant: bool = False,
) -> Chosen:
    """Look at a model; parameters and errors as `insarflow.segment.segment`.

    If `tolerant`, layers that look at the whole tile are fine without a mode: their reach is that of the others.
    """
    check_choice("output", output, get_args(Output))
    check_choice("precision", precision, get_args(Precision))
    check_whole("offsets", offsets, low=1, high=MAX_OFFSETS)
    if mode is not None:
        check_choice("mode", mode, get_args(Mode))
    card = None if isinstance(model, nn.Module) else _card(model, channels=channels, stride=stride)
    spec = getattr(model, "spec", None) if card is None else stated_spec(card.architecture)
    check_maps(type(model).__name__ if card is None else str(model), spec)
    source = OwnModule(model) if isinstance(model, nn.Module) else resolve_model(model)
    takes = tuple(channels or CHANNELS) if card is None else card.channels
    check_channels(source.name, takes, offsets)
    adjustment = AS_IT_IS if card is None else Adjustment.of(card)
    predictor = Predictor(source, takes, output == "logits", precision, offsets=offsets, adjustment=adjustment)
    whole_tile: tuple[str, ...] = ()
    if card is not None and spec is not None and not spec.whole_tile:
        chosen = Chosen(source.name, card, predictor, card.stride, card.reach)
    else:
        found = _reach(source, len(takes))
        if card is not None:
            _compare(card, found, source.name)
        chosen = Chosen(source.name, card, predictor, _stride(source.name, found, stride), max(found.left, found.right))
        whole_tile = found.whole_tile
    return _in_mode(chosen, whole_tile, mode, _patch(chosen, mode, patch), tolerant=tolerant)


_found: dict[tuple[str, int, int, int], Reach] = {}


def _reach(source: OwnModule | ModelRef, channels: int, patch: int = 0) -> Reach:
    """What `insarflow.reach` finds, once a process; with `patch` of the network that `localise` makes."""
    key = source.sha256, channels, patch, replacements()
    if key not in _found:
        module = source.module if isinstance(source, OwnModule) else load_model(source)[0]
        _found[key] = reach(localise(module, patch, channels=channels) if patch else module, channels=channels)
    return _found[key]


def _compare(card: ModelCard, found: Reach, name: str) -> None:
    """Refuse a network whose code is no longer what its card was written for: work is laid out by the card."""
    if card.stride % found.stride or card.reach < max(found.left, found.right):
        raise ModelError(
            f"model {name!r} has a card with stride={card.stride} and reach={card.reach}, but its network "
            f"{card.architecture!r} was found to have stride {found.stride} and reach {max(found.left, found.right)}: "
            "register the network that it was saved with, or save it again"
        )


def check_channels(name: str, channels: Sequence[str], offsets: int = 1) -> None:
    """Refuse a model whose input cannot be made from a stack.

    Raises
    ------
    ModelError
        Naming the model's channels and the data's.
    """
    if not channels or len({*channels}) < len(channels) or not {*channels} <= {*CHANNELS}:
        raise ModelError(
            f"model {name!r} needs the channels {list(channels)}, but the stack gives {list(CHANNELS)}: "
            "choose a model with these channels"
        )
    if offsets > 1 and not {"cos", "sin"} <= {*channels}:
        raise ModelError(
            f"model {name!r} must take cos and sin for offsets of the phase, instead got channels={list(channels)}: "
            "leave offsets out"
        )


def _card(model: str | Path, **given: object) -> ModelCard:
    for argument, value in given.items():
        if value is not None:
            raise ValueError(
                f"{argument} must be left out for a model with a card, which tells it, instead got {argument}={value!r}"
            )
    return load_card(model)


def _stride(name: str, found: Reach, stride: int | None) -> int:
    if stride is None:
        return found.stride
    check_whole("stride", stride, low=1)
    if stride % found.stride:
        raise ModelError(
            f"stride must be a multiple of {found.stride}, which model {name!r} was found to have, instead got "
            f"stride={stride}: leave it out"
        )
    return stride


def _patch(chosen: Chosen, mode: Mode | None, patch: int | None) -> int:
    if mode is None:
        if patch is not None:
            raise ValueError(f"patch must be left out without a mode, instead got patch={patch!r}")
        return 0
    if patch is None and chosen.card is not None:
        trained = chosen.card.training.get("patch_size")
        patch = trained if isinstance(trained, int) else None
    if patch is None:
        raise ValueError(
            f"patch must be the side of the patches that model {chosen.name!r} was trained on, in pixels, for "
            f"mode={mode!r}, instead got patch=None: its card does not tell it"
        )
    check_whole("patch", patch, low=2 * chosen.stride, high=MAX_PATCH)
    if patch % chosen.stride:
        raise ValueError(
            f"patch must be a multiple of the stride {chosen.stride} of model {chosen.name!r}, instead got "
            f"patch={patch}"
        )
    return patch


def _in_mode(chosen: Chosen, whole_tile: Sequence[str], mode: Mode | None, patch: int, *, tolerant: bool) -> Chosen:
    if not whole_tile:
        if mode is not None:
            raise ValueError(
                f"mode must be left out: no layer of model {chosen.name!r} looks at the whole tile, instead got "
                f"mode={mode!r}"
            )
        return chosen
    if mode is None:
        if tolerant:
            return chosen
        raise ModelError(
            f"model {chosen.name!r} has layers that look at the whole tile, so that no halo makes tiles seamless: "
            f"{', '.join(whole_tile)}; choose mode='patch' (their statistics from a window as large as the training "
            "patches) or mode='blend' (overlapping windows, weighted)"
        )
    if mode == "blend":
        if chosen.predictor.offsets > 1:
            raise ValueError(
                f"offsets must be 1 with mode='blend', instead got offsets={chosen.predictor.offsets}: choose "
                "mode='patch'"
            )
        return replace(chosen, mode=mode, patch=patch, reach=patch)
    local = replace(chosen.predictor, patch=patch)
    found = _reach(local.source, len(local.channels), patch)
    return replace(chosen, predictor=local, mode=mode, patch=patch, reach=max(found.left, found.right))
