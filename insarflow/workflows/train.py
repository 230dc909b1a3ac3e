"""Training of the embedded model, from nothing but a seed."""

from __future__ import annotations

import json
import platform
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Final

from insarflow.constants import SENTINEL1_WAVELENGTH
from insarflow.errors import InsarError, OutputExistsError
from insarflow.learn.bank import (
    DELAYS,
    LOOKS,
    PATCH,
    PIXEL_SIZE,
    PRODUCT_ALPHA,
    RECIPE,
    Bank,
    filter_fingerprint,
    generate,
)
from insarflow.learn.card import ModelCard
from insarflow.learn.models import spec_of
from insarflow.learn.phase import CHANNELS
from insarflow.learn.train import BankDataset, Fitted, Training, choose_threshold, fit, fresh_network, score
from insarflow.learn.weights import check_output, load_model, save_model
from insarflow.types import JsonValue
from insarflow.workflows.run_train import Simulated, TrainRun, write_train_run

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class Preset:
    """Everything a training run is a function of.

    Attributes
    ----------
    scenes, held_out
        Simulated scenes to train on; and as many for validation as for the final score.
    """

    name: str = "default"
    architecture: str = "resunet"
    scenes: int = 500
    held_out: int = 40
    epochs: int = 6
    batch_size: int = 32
    learning_rate: float = 2e-3
    seed: int = 1


PRESETS: Final = {"default": Preset(), "smoke": Preset("smoke", scenes=4, held_out=2, epochs=1)}


def train(
    preset: Preset,
    out: Path,
    bank_folder: Path,
    *,
    workers: int = 1,
    overwrite: bool = False,
    progress: Callable[[str, int, int], None] | None = None,
) -> ModelCard:
    """Simulate a bank of patches, train, choose the threshold, score on held-out scenes, save weights and card.

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
    banks = {}
    for shift, (name, scenes) in enumerate(
        {"train": preset.scenes, "validation": preset.held_out, "test": preset.held_out}.items()
    ):
        banks[name] = _bank(bank_folder / name, scenes, preset.seed + shift, name == "test", workers, progress)
    network = fresh_network(preset.architecture, len(CHANNELS), seed=preset.seed)
    training = Training(preset.epochs, preset.batch_size, preset.learning_rate, seed=preset.seed)
    card = _fitted(
        network, preset.architecture, banks, bank_folder / "training", training, progress=progress is not None,
        facts={"command": f"insarflow train --preset {preset.name}", "scenes": preset.scenes},
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
    """Train what a run file describes.

    Parameters
    ----------
    run
        Data, network and parameters.
    folder
        Gets ``run.yaml``, ``model.safetensors`` with its card, ``log/metrics.csv`` and the state of the training.
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
        With the scores on scenes whose atmosphere is rougher than any trained on.

    Raises
    ------
    OutputExistsError
        If a training is there and neither `resume` nor `overwrite` was asked for.
    InsarError
        As `insarflow.learn.train.fit`; or if the model to fine-tune has other channels.
    """
    if not isinstance(run.data, Simulated):
        raise InsarError("data.stacks cannot be trained on by a run file yet: use insarflow.learn.train.fit in Python")
    file = folder / "run.yaml"
    if file.exists() and not (resume or overwrite):
        raise OutputExistsError(
            f"{file} exists: pass resume=True (--resume) to go on, overwrite=True (--overwrite) to replace it"
        )
    network, architecture = _network(run)
    folder.mkdir(parents=True, exist_ok=True)
    write_train_run(run, file)
    data = run.data
    banks = {
        name: _bank(Path(data.bank) / name, scenes, data.seed + shift, name == "test", workers, progress)
        for shift, (name, scenes) in enumerate(
            {"train": data.scenes, "validation": data.held_out, "test": data.held_out}.items()
        )
    }
    facts: dict[str, JsonValue] = {
        "command": "insarflow train --config run.yaml",
        "scenes": data.scenes,
        "from": run.start,
    }
    card = _fitted(
        network, architecture, banks, folder, run.training, progress=progress is not None, resume=resume, facts=facts
    )
    card = save_model(network, folder / "model.safetensors", card=card, overwrite=True)
    write_train_run(run, file, results={"threshold": card.threshold, "sha256": card.sha256})
    return card


def _network(run: TrainRun) -> tuple[nn.Module, str]:
    """The network to train, and the name of its architecture."""
    if run.start is None:
        return fresh_network(run.architecture, len(run.channels), seed=run.training.seed), run.architecture
    network, card = load_model(run.start)
    if card.channels != run.channels:
        raise InsarError(
            f"the model {run.start} must have the channels {run.channels}, instead got {card.channels}: name its "
            "channels under model.channels"
        )
    return network, card.architecture


def _fitted(
    network: nn.Module,
    architecture: str,
    banks: dict[str, Bank],
    folder: Path,
    training: Training,
    *,
    facts: dict[str, JsonValue],
    progress: bool,
    resume: bool = False,
) -> ModelCard:
    """Train, choose the threshold, score: the card of the trained network."""
    data, watched = BankDataset(banks["train"]), BankDataset(banks["validation"])
    fitted = fit(network, data, watched, folder, training, resume=resume, progress=progress)
    threshold = choose_threshold(network, banks["validation"])
    spec = spec_of(architecture)
    return ModelCard(
        architecture=architecture,
        channels=CHANNELS,
        stride=spec.stride,
        reach=spec.reach,
        recipe=RECIPE,
        pixel_size_m=PIXEL_SIZE,
        threshold=round(threshold, 4),
        scores={
            "validation": score(network, banks["validation"], threshold=threshold),
            "held_out_rougher_atmosphere": score(network, banks["test"], threshold=threshold),
        },
        training=facts | _training_facts(training, fitted) | {"patches": len(banks["train"].target)},
        licence="BSD-3-Clause",
    )


def _training_facts(training: Training, fitted: Fitted) -> dict[str, JsonValue]:
    """What a card tells of a training on simulated scenes."""
    return {
        "data": "simulated only: no real landslide label was used",
        "patch_size": PATCH,
        "delays_days": list(DELAYS), "looks": [[looks.y, looks.x] for looks in LOOKS],
        "wavelength_m": round(SENTINEL1_WAVELENGTH, 8),
        "product_filter": f"none, or Goldstein with alpha {PRODUCT_ALPHA[0]:g} to {PRODUCT_ALPHA[1]:g}",
        **training.plain(),
        "precision": fitted.precision, "epochs_trained": fitted.epochs, "best_epoch": fitted.best_epoch,
        "optimizer": "Adam, open pixels left out", "insarflow": version("insarflow"), "torch": version("torch"),
        "machine": platform.machine(), "filter_fingerprint_rad": filter_fingerprint(),
    }  # fmt: skip


def _bank(
    folder: Path, scenes: int, seed: int, beyond: bool, workers: int, progress: Callable[[str, int, int], None] | None
) -> Bank:
    mark = folder / "bank.json"
    made_of = json.dumps(
        {
            "scenes": scenes,
            "seed": seed,
            "beyond": beyond,
            "filter": filter_fingerprint(),
            "insarflow": version("insarflow"),
        }
    )
    if mark.exists() and mark.read_text() == made_of:
        return Bank.open(folder)
    mark.unlink(missing_ok=True)
    tell = None if progress is None else lambda done, wanted: progress(f"simulating {folder.name}", done, wanted)
    bank = generate(folder, scenes, seed=seed, beyond=beyond, workers=workers, progress=tell)
    mark.write_text(made_of)
    return bank
