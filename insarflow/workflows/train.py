"""Training of the embedded model, from nothing but a seed."""

from __future__ import annotations

import json
import platform
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Final

from insarflow.constants import SENTINEL1_WAVELENGTH
from insarflow.errors import OutputExistsError
from insarflow.learn.bank import (
    DELAYS,
    LOOKS,
    PATCH,
    PIXEL_SIZE,
    PRODUCT_ALPHA,
    RECIPE,
    Bank,
    balanced,
    generate,
)
from insarflow.learn.card import ModelCard
from insarflow.learn.cut import AT_REST, at_rest, best_cut, probabilities, quiet_cuts
from insarflow.learn.models import spec_of
from insarflow.learn.phase import CHANNELS
from insarflow.learn.samples import BankDataset
from insarflow.learn.scoring import BankPlaces, calibrate, score
from insarflow.learn.train import fit, fresh_network
from insarflow.learn.training import Training
from insarflow.learn.trial import Trial
from insarflow.learn.weights import check_output, save_model
from insarflow.types import JsonValue
from insarflow.workflows.begin import Beginning, begin
from insarflow.workflows.run_train import TrainRun, write_train_run
from insarflow.workflows.train_data import Labelled, Simulated
from insarflow.workflows.train_labelled import LEAKAGE, cut, train_labelled

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class Round:
    """A part of a training that goes on from the weights of the one before, on scenes that none before had.

    Attributes
    ----------
    scenes
        Simulated scenes to train on.
    epochs
        How often each of their patches is seen.
    learning_rate
        The highest: each round rises to it and falls again.
    """

    scenes: int
    epochs: int
    learning_rate: float = 3e-3


@dataclass(frozen=True)
class Preset:
    """Everything a training run is a function of.

    Attributes
    ----------
    rounds
        One after the other.
    held_out
        Simulated scenes for validation, and as many for the final score.
    at_rest
        Scenes in which nothing moves: threshold and peak are such that of these at most one outline per 100 km2 and
        interferogram is drawn. With 0 that is not looked at.
    """

    name: str = "default"
    architecture: str = "context-unet"
    rounds: tuple[Round, ...] = (Round(1920, epochs=6), Round(1200, epochs=4))
    held_out: int = 60
    at_rest: int = 12
    batch_size: int = 32
    average: float | None = 0.998
    seed: int = 1


PRESETS: Final = {
    "default": Preset(),
    "smoke": Preset("smoke", rounds=(Round(4, epochs=1),), held_out=2, at_rest=0, seed=0),
}


def train(
    preset: Preset,
    out: Path,
    bank_folder: Path,
    *,
    workers: int = 1,
    overwrite: bool = False,
    progress: Callable[[str, int, int], None] | None = None,
) -> ModelCard:
    """Simulate a bank of patches, train, choose threshold and peak, score on held-out scenes, save weights and card.

    Parameters
    ----------
    preset
        What to do.
    out
        The ``.safetensors`` file to write; its card goes beside it as ``.json``.
    bank_folder
        Where patches are kept. A bank that is already there is used again if it was made alike.
    workers
        Processes that simulate.
    overwrite
        Replace a model that is there.
    progress
        Called with (what, done, wanted).

    Returns
    -------
    ModelCard
        With the scores on scenes whose atmosphere is rougher than any trained on.
    """
    if check_output(out).exists() and not overwrite:
        raise OutputExistsError(f"{out} exists: pass overwrite=True (--overwrite) to replace it")
    banks = {
        name: _bank(bank_folder / name, preset.held_out, preset.seed + shift, workers, progress, beyond=name == "test")
        for shift, name in enumerate(("validation", "test"), start=1)
    }
    network, first = fresh_network(preset.architecture, len(CHANNELS), seed=preset.seed), 0
    facts: list[JsonValue] = []
    for k, part in enumerate(preset.rounds, start=1):
        name = "train" if k == 1 else f"train-{k}"
        banks["train"] = _bank(bank_folder / name, part.scenes, preset.seed, workers, progress, first=first)
        training = Training(
            part.epochs, preset.batch_size, part.learning_rate, average=preset.average, seed=preset.seed
        )
        told = _fit(network, banks, bank_folder / f"{name}ing", training, progress=progress is not None)
        facts.append({"scenes": part.scenes, **told})
        first += part.scenes
    card = _judged(
        network, preset.architecture, banks,
        rest=at_rest(bank_folder / "rest", preset.at_rest, seed=preset.seed + 3) if preset.at_rest else None,
        facts={"command": f"insarflow train --preset {preset.name}", "rounds": facts},
    )  # fmt: skip
    return save_model(network, out, card=card, overwrite=True)


def train_run(
    run: TrainRun,
    folder: Path,
    *,
    resume: bool = False,
    overwrite: bool = False,
    workers: int = 1,
    progress: Callable[[str, int, int], None] | None = None,
) -> ModelCard:
    """Train what a run file describes: on simulated scenes, or on stacks with labels of one's own.

    Parameters
    ----------
    run
        Data, network and parameters.
    folder
        Gets ``run.yaml``, ``model.safetensors`` with its card, ``log/metrics.csv`` and the state of the training; and
        of labelled stacks ``leakage.txt``, what training shares with what is kept for the score.
    resume
        Go on after the last whole epoch, if a training was begun in `folder`.
    overwrite
        Replace a training that is there.
    workers
        Processes that simulate.
    progress
        Called with (what, done, wanted).

    Returns
    -------
    ModelCard
        With temperature, shift, threshold and peak chosen on validation data, and the scores on scenes whose
        atmosphere is rougher than any trained on, or on what of labelled stacks was kept.

    Raises
    ------
    OutputExistsError
        If a training is there and neither `resume` nor `overwrite` was asked for.
    InsarError
        As `insarflow.learn.train.fit` and `insarflow.workflows.sides.sides_of`; or if the model to fine-tune has other
        channels. Nothing is written then.

    Examples
    --------
    Fine-tune the embedded model::

        from insarflow.workflows.run_train import FINE_TUNING, TrainRun
        from insarflow.workflows.train import train_run
        from insarflow.workflows.train_data import Labelled

        data = Labelled(("stack.zarr",), labels="mine.gpkg", holdout="zone.gpkg")
        card = train_run(TrainRun(data, FINE_TUNING, start="default"), Path("my-model"))
    """
    file = folder / "run.yaml"
    if file.exists() and not (resume or overwrite):
        raise OutputExistsError(
            f"{file} exists: pass resume=True (--resume) to go on, overwrite=True (--overwrite) to replace it"
        )
    beginning = begin(run)
    sides = cut(run, run.data, beginning) if isinstance(run.data, Labelled) else None
    folder.mkdir(parents=True, exist_ok=True)
    (folder / LEAKAGE).unlink(missing_ok=True)
    write_train_run(run, file)
    if isinstance(run.data, Labelled) and sides is not None:
        card = train_labelled(run, run.data, beginning, sides, folder, resume=resume, progress=progress is not None)
    else:
        card = _train_simulated(run, beginning, folder, resume=resume, workers=workers, progress=progress)
    write_train_run(run, file, results={"threshold": card.threshold, "sha256": card.sha256})
    return card


def _train_simulated(
    run: TrainRun, beginning: Beginning, folder: Path, *, resume: bool, workers: int,
    progress: Callable[[str, int, int], None] | None,
) -> ModelCard:  # fmt: skip
    data = run.data
    if not isinstance(data, Simulated):
        raise TypeError(f"run.data must be simulated, instead got {type(data).__name__}")
    banks = {
        name: _bank(Path(data.bank) / name, scenes, data.seed + shift, workers, progress, beyond=name == "test")
        for shift, (name, scenes) in enumerate(
            {"train": data.scenes, "validation": data.held_out, "test": data.held_out}.items()
        )
    }
    told = _fit(beginning.network, banks, folder, run.training, progress=progress is not None, resume=resume)
    facts: dict[str, JsonValue] = {
        "command": "insarflow train --config run.yaml",
        "scenes": data.scenes,
        "starts_from": beginning.facts,
    }
    card = _judged(beginning.network, beginning.architecture, banks, facts=facts | told)
    return save_model(beginning.network, folder / "model.safetensors", card=card, overwrite=True)


def _fit(
    network: nn.Module, banks: dict[str, Bank], folder: Path, training: Training, *, progress: bool,
    resume: bool = False,
) -> dict[str, JsonValue]:  # fmt: skip
    """Train; what a card tells of it."""
    chosen = balanced(banks["train"], seed=training.seed)
    data, watched = BankDataset(banks["train"], chosen), BankDataset(banks["validation"])
    fitted = fit(network, data, watched, folder, training, resume=resume, progress=progress)
    return {
        **training.plain(), "patches": len(chosen), "precision": fitted.precision, "epochs_trained": fitted.epochs,
        "best_epoch": fitted.best_epoch,
    }  # fmt: skip


def _judged(
    network: nn.Module,
    architecture: str,
    banks: dict[str, Bank],
    *,
    facts: dict[str, JsonValue],
    rest: Iterable[Trial] | None = None,
) -> ModelCard:
    """Choose threshold and peak, score: the card of a trained network."""
    places = BankPlaces(network, banks["validation"])
    # Nobody can say by how much the choice of patches shifts the log-odds of a pixel.
    calibration = calibrate(places, None)
    quiet = None if rest is None else quiet_cuts(probabilities(network, rest, calibration), area=AT_REST.area)
    cut = best_cut(places, calibration, quiet)
    spec = spec_of(architecture)
    return ModelCard(
        architecture=architecture,
        channels=CHANNELS,
        stride=spec.stride,
        reach=spec.reach,
        recipe=RECIPE,
        pixel_size_m=PIXEL_SIZE,
        threshold=cut.threshold,
        peak=cut.peak,
        temperature=calibration.temperature,
        shift=calibration.shift,
        scores={
            name: score(BankPlaces(network, banks[side]), **cut._asdict(), calibration=calibration)
            for name, side in (("validation", "validation"), ("held_out_rougher_atmosphere", "test"))
        },
        training={**_TRAINED_ON, **_software(), **facts},
        licence="BSD-3-Clause",
    )


_TRAINED_ON: Final[dict[str, JsonValue]] = {
    "data": "simulated only: no real landslide label was used",
    "patch_size": PATCH,
    "delays_days": list(DELAYS), "looks": [[looks.y, looks.x] for looks in LOOKS],
    "wavelength_m": round(SENTINEL1_WAVELENGTH, 8),
    "product_filter": f"none, or Goldstein with alpha {PRODUCT_ALPHA[0]:g} to {PRODUCT_ALPHA[1]:g}",
    "optimizer": "Adam, open pixels left out",
}  # fmt: skip
"""What a card tells of the simulated scenes."""


def _software() -> dict[str, JsonValue]:
    return {"insarflow": version("insarflow"), "torch": version("torch"), "machine": platform.machine()}


def _bank(
    folder: Path, scenes: int, seed: int, workers: int, progress: Callable[[str, int, int], None] | None, *,
    first: int = 0, beyond: bool = False,
) -> Bank:  # fmt: skip
    mark = folder / "bank.json"
    made_of = json.dumps(
        {"scenes": scenes, "first": first, "seed": seed, "beyond": beyond, "insarflow": version("insarflow")}
    )
    if mark.exists() and mark.read_text() == made_of:
        return Bank.open(folder)
    mark.unlink(missing_ok=True)
    tell = None if progress is None else lambda done, wanted: progress(f"simulating {folder.name}", done, wanted)
    bank = generate(folder, scenes, seed=seed, first=first, beyond=beyond, workers=workers, progress=tell)
    mark.write_text(made_of)
    return bank
