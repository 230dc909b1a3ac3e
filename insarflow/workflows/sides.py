"""Patches of labelled stacks to train on, to validate on and to test on, and what these share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, Literal, cast

import pandas as pd
import xarray as xr

from insarflow.errors import InsarError, SelectionError
from insarflow.learn.labels import State, read_labels
from insarflow.learn.leakage import LeakageReport, acquisitions_of, leakage_report
from insarflow.learn.patch_index import balanced
from insarflow.learn.patches import PatchDataset
from insarflow.learn.rasterise import Drawing
from insarflow.learn.splits import along_edge, in_zones, of_acquisitions
from insarflow.ops.recipe import apply_recipe
from insarflow.schema import recipe_of, validate
from insarflow.stack.georeference import grid_of
from insarflow.stack.store import open_stack
from insarflow.types import Recipe, parse_date
from insarflow.workflows.prepare import steps_before
from insarflow.workflows.train_data import Labelled

KEPT: Final = 0.3
"""Share of the acquisitions that is kept for the score."""

_VALIDATION: Final = 0.2
"""Share of the moving pixels, of those that are not kept for the score."""

SIDES: Final = ("train", "validation", "holdout")


@dataclass(frozen=True)
class Source:
    """A stack and its patches.

    Attributes
    ----------
    path
        As it was given.
    stack
        As the network sees it.
    patches
        All.
    rows
        Of their index, by side: those to train on overlap and are balanced, the others tile the ground and are as
        frequent as they are.
    """

    path: str
    stack: xr.Dataset
    patches: PatchDataset
    rows: Mapping[str, pd.DataFrame]


@dataclass(frozen=True)
class Sides:
    """Labelled stacks, cut and split.

    Attributes
    ----------
    sources
        One for each stack.
    moving
        Share of moving pixels of the patches to train on, as they were before some were left out, and after.
    buffer
        Pixels between patches to train on and those kept for the score.
    """

    sources: tuple[Source, ...]
    moving: tuple[float, float]
    buffer: int

    def of(self, side: str) -> tuple[PatchDataset, ...]:
        """The patches of a side, of each stack that has some."""
        return tuple(s.patches.at(s.rows[side]) for s in self.sources if len(s.rows[side]))

    def reports(self) -> dict[str, LeakageReport]:
        """What patches to train on share with those kept for the score, by stack."""
        return {s.path: leakage_report(s.rows["train"], s.rows["holdout"], buffer=self.buffer) for s in self.sources}


def sides_of(data: Labelled, channels: Sequence[str], *, trained: Recipe | None, buffer: int, seed: int = 0) -> Sides:
    """Cut labelled stacks into patches, and split them.

    Parameters
    ----------
    data
        Stacks, labels, and what is kept.
    channels
        Of the network.
    trained
        Recipe of the model that is fine-tuned: stacks go through the same as before a map. None for no step.
    buffer
        Pixels between patches to train on and others: the reach of the network.
    seed
        Of which patches without a mover are left out.

    Raises
    ------
    InsarError
        Of stacks, labels and zones, naming the stack; if a side has no patch or no mover; if stacks are filtered in
        different ways.
    """
    read = [_read(path, data, channels, trained) for path in data.stacks]
    _check_filters(read)
    kept = _kept_days(data, [source.patches.index for source in read])
    dropped: Counter[str] = Counter()
    split = [_split(source, data, kept, buffer, dropped) for source in read]
    _check_sides(split, dropped, data, buffer)
    before = _moving(split)
    if data.balance is not None:
        split = [_balanced(source, data.balance, seed) for source in split]
    return Sides(tuple(split), (before, _moving(split)), buffer)


def _read(path: str, data: Labelled, channels: Sequence[str], trained: Recipe | None) -> Source:
    """A stack with all its patches on no side."""
    with _naming(path):
        ds = validate(open_stack(path))
        steps = steps_before(ds, trained or Recipe(), "none" if trained is None else "model")
        processed = apply_recipe(ds, steps) if steps.steps else ds
        labels = read_labels(
            data.labels, processed, fields=data.fields or None,
            classes=cast("Mapping[str, State]", data.classes) or None, levels=data.levels or None,
        )  # fmt: skip
        elsewhen = cast(Literal["open", "absent"], data.elsewhen)
        drawing = Drawing(border=data.border, least_confidence=data.least_confidence, elsewhen=elsewhen)
        patches = PatchDataset(
            ds, labels, patch=data.patch, step=data.distance, channels=channels, recipe=steps, drawing=drawing,
            weighted=bool((labels.table["confidence"] < 1).any()),
        )  # fmt: skip
    return Source(path, processed, patches, {})


@contextmanager
def _naming(path: str) -> Iterator[None]:
    """Errors that tell of which stack they are."""
    try:
        yield
    except InsarError as error:
        if path in str(error):
            raise
        raise type(error)(f"{path}: {error}") from error
    except ValueError as error:
        raise SelectionError(f"{path}: {error}") from error


def _check_filters(sources: Sequence[Source]) -> None:
    filters = [recipe_of(source.stack).of("goldstein") for source in sources]
    for source, steps in zip(sources, filters, strict=True):
        if steps != filters[0]:
            raise InsarError(
                f"{source.path} must be filtered as {sources[0].path} ({filters[0] or 'not at all'}), instead got "
                f"{steps or 'no filter'}: train on stacks that went through the same"
            )


def _kept_days(data: Labelled, indexes: Sequence[pd.DataFrame]) -> set[str] | None:
    """Names of the acquisitions that are kept for the score; None if they need not be kept apart."""
    names = sorted(set().union(*map(acquisitions_of, indexes)))
    if data.holdout_start is not None:
        day = parse_date(data.holdout_start)
        return {name for name in names if parse_date(name) >= day}
    if data.shared_images:
        return None
    return set(names[-max(round(KEPT * len(names)), 2) :])


def _split(source: Source, data: Labelled, kept: set[str] | None, buffer: int, dropped: Counter[str]) -> Source:
    """The patches of a stack by side."""
    index, grid = source.patches.index, grid_of(source.stack)
    train, holdout = index, index
    if data.holdout is not None:
        train, holdout = index, index.iloc[:0]
        with _anywhere(len(data.stacks)):
            train, holdout, lost = in_zones(index, data.holdout, grid, buffer=buffer)
            dropped.update(lost)
    if kept is not None:
        early, late, _ = of_acquisitions(index, kept)
        count = len(train) + len(holdout)
        train = train.loc[train.index.intersection(early.index)]
        holdout = holdout.loc[holdout.index.intersection(late.index)]
        dropped["whose radar images are on the other side"] += count - len(train) - len(holdout)
    if data.validation is None:
        train, validation, lost = along_edge(train, _VALIDATION, buffer=buffer)
    else:
        validation, lost = train.iloc[:0], {}
        with _anywhere(len(data.stacks)):
            train, validation, lost = in_zones(train, data.validation, grid, buffer=buffer)
    dropped.update(lost)
    rows = dict(zip(SIDES, (train, _tiles(validation, source, data), _tiles(holdout, source, data)), strict=True))
    return Source(source.path, source.stack, source.patches, rows)


@contextmanager
def _anywhere(stacks: int) -> Iterator[None]:
    """Let zones lie outside of one of several stacks."""
    try:
        yield
    except SelectionError:
        if stacks == 1:
            raise


def _tiles(rows: pd.DataFrame, source: Source, data: Labelled) -> pd.DataFrame:
    """The rows that lie side by side, and those along the image's far sides: as many as can be."""
    for axis, size in zip(("y", "x"), source.patches.reader.shape, strict=True):
        if len(rows):
            offset = rows[axis] % data.patch
            rows = rows[(offset == offset.mode().iloc[0]) | (rows[axis] == size - data.patch)]
    return rows


def _check_sides(sources: Sequence[Source], dropped: Counter[str], data: Labelled, buffer: int) -> None:
    left_out = ", ".join(f"{count} {reason}" for reason, count in dropped.items() if count) or "none"
    ways = {
        "train": "hold out less",
        "validation": "draw its zone yourself (--validation, data.validation)",
        "holdout": "hold out a zone with movers",
    }
    for side, way in ways.items():
        rows = pd.concat([source.rows[side] for source in sources])
        if rows.empty or not (rows["positive"] > 0).any():
            has = f"no mover in its {len(rows)} patches" if len(rows) else "no patch"
            shared = "" if data.shared_images else ", or allow radar images on both sides (--shared-images)"
            raise SelectionError(
                f"the {side} side has {has} (left out: {left_out}; buffer {buffer} pixels): {way}, take smaller "
                f"patches (--patch){shared}"
            )


def _moving(sources: Sequence[Source]) -> float:
    return float(pd.concat([source.rows["train"]["positive"] for source in sources]).mean())


def _balanced(source: Source, balance: float, seed: int) -> Source:
    """As many patches without a mover left out of training as makes the others that share, at most."""
    rows = source.rows["train"]
    share = float((rows["positive"] > 0).mean()) if len(rows) else 0.0
    if not 0.0 < share < balance:
        return source
    chosen = balanced(rows.assign(row=rows.index), balance, seed)["row"]
    return Source(source.path, source.stack, source.patches, {**source.rows, "train": rows.loc[chosen]})
