"""A stack that has grown -> its inventory brought up to date, with what people wrote in it."""

from __future__ import annotations

import datetime as dt
import filecmp
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import xarray as xr

from insarflow.errors import MissingVariableError, OutputExistsError, StoreError
from insarflow.inventory import write_inventory
from insarflow.inventory.changes import Changes
from insarflow.inventory.edited import check_edited
from insarflow.inventory.geopackage import check_not_open
from insarflow.inventory.history import keep_copy
from insarflow.inventory.projection import reproject
from insarflow.inventory.read import read_inventory
from insarflow.inventory.tracks import LAST_ID
from insarflow.learn.weights import load_card
from insarflow.schema import recipe_of
from insarflow.segment.append import append_stream, compare
from insarflow.segment.stream import Stream
from insarflow.stack.faults import fault_point
from insarflow.stack.georeference import grid_of
from insarflow.stack.journal import locked
from insarflow.stack.sources import SourceLike
from insarflow.stack.store import open_stack
from insarflow.workflows.inventory import Outlining
from insarflow.workflows.outputs import check_folder, remove
from insarflow.workflows.segment import lay_out_source, segment_source
from insarflow.workflows.selection import Running, check_not_source
from insarflow.workflows.stage import Stage, quiet
from insarflow.workflows.update_settings import (
    UPDATED,
    Asked,
    Said,
    Settings,
    begun_folder,
    check_asked,
    criteria_of,
    made_of,
    settle_settings,
)
from insarflow.workflows.update_slopes import Found, carry, find_slopes, names_of, together

if TYPE_CHECKING:
    import geopandas as gpd

PROBABILITY: Final = "probability.zarr"
INVENTORY: Final = "inventory.gpkg"
HISTORY: Final = "history"
REPORT: Final = "update.json"
"""What a folder of `update_source` holds."""


@dataclass(frozen=True)
class Update:
    """What an update did.

    Attributes
    ----------
    added
        Names of the interferograms that were segmented.
    slopes
        The inventory as written; None if nothing was new, and nothing was written.
    changes
        From the inventory before to this one.
    kept
        Copy of the inventory before; None if there was none.
    notes
        What a user may not expect, one sentence each.
    """

    added: tuple[str, ...] = ()
    slopes: gpd.GeoDataFrame | None = None
    changes: Changes = Changes()  # noqa: RUF009  (a frozen value)
    kept: Path | None = None
    notes: tuple[str, ...] = ()


def update_source(
    source: SourceLike,
    out: str | Path,
    *,
    model: str | Path = "default",
    recipe: str | Path = "model",
    outlining: Outlining | None = None,
    crs: str | None = None,
    window_days: int | None = None,
    criteria: Mapping[str, Asked] | None = None,
    device: str | None = None,
    running: Running | None = None,
    overwrite: bool = False,
    stage: Stage = quiet,
) -> Update:
    """Bring the inventory of a stack up to date: segment the interferograms that are new, and track the slopes.

    Parameters
    ----------
    source
        Anything `insarflow.open_stack` opens; a store to which new interferograms were appended.
    out
        Folder. It holds the store ``probability.zarr``, ``inventory.gpkg``, which people may edit, a dated copy of each
        of its earlier versions in ``history``, and what the last update found in ``update.json``. The first call makes
        all of it; an ``inventory.gpkg`` that is there is gone on with.
    model, recipe
        As `insarflow.workflows.segment.segment_source`. The same as before.
    outlining
        How outlines are drawn, as `insarflow.workflows.inventory.inventory_source`. The same as before; what is left
        out, or None, is as before, or at first the default.
    crs
        Of the outlines in the file; by default as before, at first the stack's.
    window_days
        The early warning: outlines are those that all interferograms show and those that the ones of so many days up to
        the last acquisition show, and these tell whether a slope is faster or slower than before; by default as before,
        at first 60.
    criteria
        What a slope must be to be new: fields of `insarflow.inventory.criteria.Criteria`, rasters by their path; those
        that are left out are as before. Slopes that the inventory has are not asked.
    device, running
        As `insarflow.workflows.segment.segment_source`, but ``skip_bad``.
    overwrite
        Go on with another model, recipe or setting, or other pixels: probabilities that do not fit are made anew. Ids
        and edits stay.
    stage
        Shows progress.

    Returns
    -------
    Update
        What was done. Without new interferograms, and with an inventory that is of all there are, nothing: no byte is
        changed.

    Raises
    ------
    TypeError, ValueError
        If an argument is wrong.
    OutputExistsError
        If something differs from before and `overwrite` was not asked for, or `out` can be no such folder.
    StoreError
        If the inventory is open in another program (before any work, and again before it is replaced), or another
        process is updating it.
    ProductError, SchemaError
        If people made something of the inventory that is none: see `insarflow.inventory.read.read_inventory`.
    InsarError
        If the source or the model is no good.

    Notes
    -----
    Killed at any time, the inventory is what it was, and the same call goes on: what is segmented is kept. Edits made
    while interferograms are segmented count: the file is read at the end. Those that a program which died left in
    SQLite's log beside the file count, too: SQLite takes them into the file once it is opened.
    """
    asked = outlining or Outlining()
    check_asked(asked, crs, window_days)
    running, out = running or Running(), Path(out)
    if running.get("skip_bad"):
        raise ValueError("running must be without skip_bad: an update could not tell what is to be tried again")
    check_folder(out, (), overwrite=overwrite)
    store, file = out / PROBABILITY, out / INVENTORY
    check_not_source(store, source)
    criteria_of(criteria or {})
    with stage("opening"):
        ds = open_stack(source)
    if "probability" in ds and "igram" not in ds:
        raise MissingVariableError(
            f"update needs interferograms, but {source} has none: give the stack that was segmented"
        )
    card = load_card(model)
    with begun_folder(out), locked(file):
        said = Said.read(file, out / REPORT)
        settings = settle_settings(
            said, card.sha256, (card.threshold, card.peak), asked=asked, crs=crs, window_days=window_days,
            criteria=criteria or {}, overwrite=overwrite,
        )  # fmt: skip
        stream, lacking = _stream(ds, store, model, recipe, device, running, overwrite=overwrite)
        complete = stream is not None and not lacking and file.exists()
        if complete and _made_of(together(ds, store)[0], settings) == said.made_of:
            return Update()
        if file.exists():
            # Before hours of work, and again when the table is read.
            check_not_open(file)
            check_edited(read_inventory(file), grid_of(ds).crs)
        notes: tuple[str, ...] = ()
        if stream is None:
            _, notes = segment_source(
                source, store, model=model, recipe=recipe, device=device, running=running, overwrite=overwrite,
                stage=stage,
            )  # fmt: skip
            added = names_of(ds)
        else:
            with stage("segmenting", pixels=lacking * ds.sizes["y"] * ds.sizes["x"]):
                added = [pair.name for pair in append_stream(stream, ds, store)]
        whole, lost = together(ds, store)
        with stage("outlining"):
            found = find_slopes(whole, settings)
        last = replace(said, settings=settings, sha256=card.sha256, made_of=_made_of(whole, settings))
        done = _publish(found, whole, out, last)
    if lost:
        notes = (*notes, f"{lost} interferograms of {store} are left out: the stack does not hold them any more")
    return replace(done, added=tuple(added), notes=(*notes, *done.notes))


def _stream(
    ds: xr.Dataset,
    store: Path,
    model: str | Path,
    recipe: str | Path,
    device: str | None,
    running: Running,
    *,
    overwrite: bool,
) -> tuple[Stream | None, int]:
    """The work of all interferograms, and how many the store lacks; None if the store is to be made.

    Raises
    ------
    OutputExistsError
        If what the store holds is not of a kind with it, and is not to be overwritten.
    """
    if not store.exists():
        return None, 0
    stream = lay_out_source(ds, model=model, recipe=recipe, device=device, running=running)
    told, lacking = compare(stream, store)
    if told and not overwrite:
        said = "; ".join(told)
        differs = f"does not fit: {said}" if " must " in said else f"has {said}"
        raise OutputExistsError(
            f"{store} {differs}: go on as it was begun, or make it anew with overwrite=True (--overwrite); "
            "ids and edits stay"
        )
    return (None, 0) if told else (stream, lacking)


def _made_of(whole: xr.Dataset, settings: Settings) -> str:
    return made_of(names_of(whole), dict((recipe_of(whole).of("segment") or ({},))[-1]), settings)


def _publish(found: Found, whole: xr.Dataset, out: Path, said: Said) -> Update:
    """Track and write an inventory; the one before goes to the history first."""
    at = now()
    file, new, kept = out / INVENTORY, out / ".new", None
    before = found.slopes.iloc[:0].copy()
    if file.exists():
        check_not_open(file)
        kept = keep_copy(file, out / HISTORY, at)
        before = read_inventory(kept)
    before.attrs[LAST_ID] = max(said.last_id, int(before.attrs.get(LAST_ID, 0)))
    slopes, changes, said, notes = carry(found, before, whole, said)
    if said.settings is not None and said.settings.crs is not None:
        slopes = reproject(slopes, said.settings.crs)
    slopes.attrs[UPDATED] = said.to_json(at)
    remove(new)  # of an update that was killed
    new.mkdir()
    fault_point()
    draft = write_inventory(slopes, new / INVENTORY)
    report = {**json.loads(slopes.attrs[UPDATED]), "changes": changes.to_dict()}
    (new / REPORT).write_text(json.dumps(report, indent=1), "utf-8")
    fault_point()
    if kept is not None:
        check_not_open(file)
        if not filecmp.cmp(kept, file, shallow=False):
            raise StoreError(f"path={str(file)!r} was changed while it was read: run this again; nothing is lost")
    elif file.exists():
        raise StoreError(f"path={str(file)!r} was made by somebody else meanwhile: run this again")
    draft.replace(file)
    fault_point()
    (new / REPORT).replace(out / REPORT)
    new.rmdir()
    return Update((), slopes, changes, kept, notes)


def now() -> str:
    """The moment, UTC: ``20210901T120000``."""
    return dt.datetime.now(dt.UTC).strftime("%Y%m%dT%H%M%S")
