"""Training of the embedded model, from nothing but a seed."""

from __future__ import annotations

import json
import platform
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Final

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
    filter_fingerprint,
    generate,
)
from insarflow.learn.card import ModelCard
from insarflow.learn.models import spec_of
from insarflow.learn.phase import CHANNELS
from insarflow.learn.train import choose_threshold, fit, fresh_network, score
from insarflow.learn.weights import check_output, save_model


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
    fit(
        network, banks["train"], banks["validation"], bank_folder, epochs=preset.epochs, batch_size=preset.batch_size,
        learning_rate=preset.learning_rate, seed=preset.seed, progress=progress is not None,
    )  # fmt: skip
    threshold = choose_threshold(network, banks["validation"])
    spec = spec_of(preset.architecture)
    card = ModelCard(
        architecture=preset.architecture,
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
        training={
            "command": f"insarflow train --preset {preset.name}",
            "data": "simulated only: no real landslide label was used",
            "scenes": preset.scenes, "patches": len(banks["train"].target), "patch_size": PATCH,
            "delays_days": list(DELAYS), "looks": [[looks.y, looks.x] for looks in LOOKS],
            "wavelength_m": round(SENTINEL1_WAVELENGTH, 8),
            "product_filter": f"none, or Goldstein with alpha {PRODUCT_ALPHA[0]:g} to {PRODUCT_ALPHA[1]:g}",
            "epochs": preset.epochs, "batch_size": preset.batch_size, "learning_rate": preset.learning_rate,
            "seed": preset.seed, "loss": "BCE, open pixels left out", "optimizer": "Adam, one-cycle rate",
            "precision": "bf16-mixed", "insarflow": version("insarflow"), "torch": version("torch"),
            "machine": platform.machine(), "filter_fingerprint_rad": filter_fingerprint(),
        },
        licence="BSD-3-Clause",
    )  # fmt: skip
    return save_model(network, out, card=card, overwrite=True)


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
