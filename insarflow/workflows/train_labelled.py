"""Training on stacks with labels of one's own, from drawn weights or from a model that is there."""

from __future__ import annotations

import platform
from importlib.metadata import version
from pathlib import Path

import numpy as np

from insarflow.learn.calibration import shift_of_prior
from insarflow.learn.card import ModelCard
from insarflow.learn.cut import best_cut
from insarflow.learn.normalised import Normalised, normalisation_of
from insarflow.learn.patches import joined
from insarflow.learn.scoring import PatchPlaces, calibrate, score
from insarflow.learn.train import Fitted, fit
from insarflow.learn.training import Training
from insarflow.ops.recipe import OPERATIONS
from insarflow.schema import recipe_of
from insarflow.segment.saving import save_model
from insarflow.stack.georeference import pixel_size_m
from insarflow.types import JsonValue, Recipe
from insarflow.workflows.begin import Beginning
from insarflow.workflows.run_train import TrainRun
from insarflow.workflows.sides import SIDES, Sides, sides_of
from insarflow.workflows.train_data import Labelled

LEAKAGE = "leakage.txt"


def cut(run: TrainRun, data: Labelled, beginning: Beginning) -> Sides:
    """The patches of a training; errors as `insarflow.workflows.sides.sides_of`."""
    trained = None if beginning.card is None else beginning.card.recipe
    buffer = beginning.reach(len(run.channels))
    return sides_of(data, run.channels, trained=trained, buffer=buffer, seed=run.training.seed)


def train_labelled(
    run: TrainRun, data: Labelled, beginning: Beginning, sides: Sides, folder: Path, *, resume: bool, progress: bool
) -> ModelCard:
    """Train, calibrate, choose the threshold, score what was kept; write model, card and leakage report.

    Parameters
    ----------
    run, data, beginning, sides
        What `begin` and `cut` made of a run.
    folder
        That is there.
    resume, progress
        As `insarflow.learn.train.fit`.

    Returns
    -------
    ModelCard
        As written.

    Raises
    ------
    InsarError
        As `insarflow.learn.train.fit`.
    """
    (folder / LEAKAGE).write_text(leakage_text(sides), encoding="utf-8")
    train, validation, holdout = map(sides.of, SIDES)
    card = beginning.card
    normalisation = card.normalisation if card is not None else normalisation_of(train)
    network = Normalised(beginning.network, run.channels, normalisation) if normalisation else beginning.network
    fitted = fit(
        network, joined(train), joined(validation), folder, run.training, channels=run.channels, resume=resume,
        progress=progress,
    )  # fmt: skip
    watched = PatchPlaces(network, validation)
    calibration = calibrate(watched, _known_shift(run.training, sides) if card is None else None)
    cut = best_cut(watched, calibration)
    scores = {
        name: score(places, **cut._asdict(), calibration=calibration)
        for name, places in (("validation", watched), ("holdout", PatchPlaces(network, holdout)))
    }
    started = card or _NOTHING
    return save_model(
        beginning.network, folder / "model.safetensors", channels=run.channels, architecture=beginning.architecture,
        recipe=_recipe(sides), pixel_size_m=_pixel_size(sides, started), threshold=cut.threshold,
        peak=cut.peak, temperature=calibration.temperature, shift=calibration.shift, normalisation=normalisation,
        scores=scores,
        training=_facts(run, data, beginning, sides, fitted),
        training_data_licences=_both(started.training_data_licences, data.training_data_licences),
        dem_licences=_both(started.dem_licences, data.dem_licences), cite=_both(started.cite, data.cite),
        licence=data.licence, overwrite=True,
    )  # fmt: skip


def leakage_text(sides: Sides) -> str:
    """What training shares with what is kept for the score, for every stack."""
    parts = [f"{path}\n{report}" for path, report in sides.reports().items()]
    return "training, and what is kept for the score\n\n" + "\n\n".join(parts) + "\n"


_NOTHING = ModelCard(
    architecture="", channels=(), stride=1, reach=1, recipe=Recipe(), pixel_size_m=None, threshold=0.5, scores={},
    training={}, licence="",
)  # fmt: skip
"""Of drawn weights."""


def _known_shift(training: Training, sides: Sides) -> float | None:
    """Log-odds that take back what loss and choice of patches put on the logits; None if nobody knows.

    A model that is fine-tuned brings those of its own training along, in a measure that nobody knows.
    """
    before, after = sides.moving
    if training.criterion.shift is None:
        return None
    return shift_of_prior(training=after, true=before) - training.criterion.shift


def _recipe(sides: Sides) -> Recipe:
    """Steps between the product and the network that a map can repeat."""
    steps = recipe_of(sides.sources[0].stack).steps
    return Recipe(tuple(step for step in steps if step["operation"] in OPERATIONS))


def _pixel_size(sides: Sides, started: ModelCard) -> tuple[float, float] | None:
    sizes = [pixel_size_m(source.stack) for source in sides.sources]
    known = [side for size in (*sizes, started.pixel_size_m) if size is not None for side in size]
    return (round(min(known), 3), round(max(known), 3)) if known else None


def _both(there: tuple[str, ...], more: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*there, *more)))


def _facts(run: TrainRun, data: Labelled, beginning: Beginning, sides: Sides, fitted: Fitted) -> dict[str, JsonValue]:
    """What a card tells of a training on labels."""
    shared = [report.split for report in sides.reports().values()]
    rows = {side: [source.rows[side] for source in sides.sources] for side in SIDES}
    gaps = [found.distance for found in shared if found.distance is not None]
    return {
        "data": f"{len(data.stacks)} stack(s) with labels of their owner",
        "patch_size": data.patch,
        **_of_stacks(sides, beginning.card or _NOTHING),
        **run.training.plain(),
        "precision": fitted.precision, "epochs_trained": fitted.epochs, "best_epoch": fitted.best_epoch,
        "patches": {side: sum(map(len, parts)) for side, parts in rows.items()},
        "with_mover": {side: int(sum((part["positive"] > 0).sum() for part in parts)) for side, parts in rows.items()},
        "leakage": {
            "acquisitions_in_both": len({name for found in shared for name in found.acquisitions}),
            "pixels_in_both": sum(found.pixels for found in shared),
            "pixels_between": min(gaps) if gaps else None,
            "buffer": sides.buffer,
        },
        "starts_from": beginning.facts,
        "insarflow": version("insarflow"), "torch": version("torch"), "machine": platform.machine(),
    }  # fmt: skip


def _of_stacks(sides: Sides, started: ModelCard) -> dict[str, JsonValue]:
    """What is compared with the data that a model is used on, if it is known."""
    there = started.training
    delays = {int(d / np.timedelta64(1, "D")) for s in sides.sources for d in s.stack["delay"].values}
    known = there.get("delays_days")
    facts: dict[str, JsonValue] = {"delays_days": sorted(delays | {*known} if isinstance(known, list) else delays)}
    looks = [[*map(int, source.stack.attrs["looks"])] for source in sides.sources if "looks" in source.stack.attrs]
    before = there.get("looks")
    looks += before if isinstance(before, list) else []
    if looks:
        facts["looks"] = [list(pair) for pair in dict.fromkeys(map(tuple, looks))]
    wavelengths = {float(s.stack.attrs["wavelength"]) for s in sides.sources if "wavelength" in s.stack.attrs}
    if len(wavelengths) == 1:
        facts["wavelength_m"] = round(wavelengths.pop(), 8)
    return facts
