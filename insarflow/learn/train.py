"""Training on a bank of patches; Lightning carries the loop."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import lightning
import numpy as np
import torch
from lightning.pytorch.loggers import CSVLogger
from torch import nn
from torch.utils.data import DataLoader, Dataset

from insarflow.errors import InsarError
from insarflow.learn.augment import Chain, RandomConjugation, RandomOffset, RandomRamp, RandomTurn
from insarflow.learn.bank import Bank
from insarflow.learn.metrics import ObjectScores, PixelScores
from insarflow.learn.models import build_model
from insarflow.simulate.truth import ABSENT, MISSING, MOVING, OPEN

Batch = tuple[torch.Tensor, torch.Tensor]


class BankDataset(Dataset[Batch]):
    """Patches of a bank as ``(image float32 (3, y, x), target uint8 (y, x))``."""

    def __init__(self, bank: Bank) -> None:
        self.bank = bank

    def __len__(self) -> int:
        """Number of patches."""
        return len(self.bank.target)

    def __getitem__(self, index: int) -> Batch:
        """One patch."""
        image = torch.from_numpy(np.asarray(self.bank.image[index], dtype=np.float32))
        return image, torch.from_numpy(np.array(self.bank.target[index]))


class Segmenter(lightning.LightningModule):
    """Binary segmentation of moving slopes: BCE over pixels whose truth is known, Adam, one-cycle rate.

    Each batch gets a random phase offset, date swap, plane, mirror and quarter turn: the constant, order, orbit error
    and orientation carry no information about movement.
    """

    def __init__(self, network: nn.Module, *, learning_rate: float) -> None:
        super().__init__()
        self.network = network
        self.learning_rate = learning_rate

    def training_step(self, batch: Batch, _: int) -> torch.Tensor:
        """Loss of an augmented batch."""
        loss = self._loss(*augment(*batch))
        if not torch.isfinite(loss):
            raise InsarError(f"the loss became {loss.item()} at step {self.global_step}: lower the learning rate")
        self.log("loss", loss, prog_bar=True)
        return loss

    def validation_step(self, batch: Batch, _: int) -> None:
        """Loss of a batch as it is."""
        self.log("validation_loss", self._loss(*batch), prog_bar=True)

    def configure_optimizers(self) -> dict[str, object]:  # type: ignore[override]
        """Adam with a one-cycle learning rate."""
        optimiser = torch.optim.Adam(self.parameters(), lr=self.learning_rate)
        steps = int(self.trainer.estimated_stepping_batches)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, self.learning_rate, total_steps=max(steps, 2))
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def _loss(self, image: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        logits = self.network(image.contiguous(memory_format=torch.channels_last))[:, 0].float()
        losses = nn.functional.binary_cross_entropy_with_logits(logits, (target == MOVING).float(), reduction="none")
        counted = (target < OPEN).float()
        return (losses * counted).sum() / counted.sum().clamp_min(1.0)


_AS_SEEN_ELSEWHERE = Chain((RandomOffset(), RandomRamp(0.01), RandomConjugation(), RandomTurn()))


def augment(image: torch.Tensor, target: torch.Tensor) -> Batch:
    """A batch as other acquisitions, orbits and map orientations could have shown it; drawn from torch's generator."""
    image, target = _AS_SEEN_ELSEWHERE(image, target)
    return cut_edge(image, target) if torch.rand(()) < 0.6 else (image, target)


def cut_edge(image: torch.Tensor, target: torch.Tensor) -> Batch:
    """Take away what lies beyond a line, as the end of a swath or of a region does.

    Half of the lines run along an axis, since regions end there and their last pixels share a cell of the network's
    pooling grid with missing ones.
    """
    height, width = target.shape[-2:]
    y = torch.arange(height, device=image.device)[:, None] - (height - 1) / 2
    x = torch.arange(width, device=image.device)[None, :] - (width - 1) / 2
    quarters = torch.randint(4, ()) if torch.rand(()) < 0.5 else 4 * torch.rand(())
    angle = quarters.to(image.device) * (torch.pi / 2)
    depth = torch.rand(()) ** 2 * 0.3 * min(height, width)
    distance = y * torch.sin(angle) + x * torch.cos(angle)
    beyond = distance > distance.max() - depth.to(image.device)
    return image.masked_fill(beyond, 0.0), target.masked_fill(beyond, MISSING)


def fresh_network(architecture: str, channels: int, *, seed: int) -> nn.Module:
    """A network whose weights are a function of `seed`; see `insarflow.learn.models.build_model`."""
    torch.manual_seed(seed)
    return build_model(architecture, channels)


def fit(
    network: nn.Module,
    bank: Bank,
    validation: Bank,
    folder: Path,
    *,
    epochs: int,
    batch_size: int = 32,
    learning_rate: float = 2e-3,
    seed: int = 0,
    progress: bool = True,
) -> None:
    """Train `network` in place.

    Parameters
    ----------
    network
        Gives logits ``(batch, 1, y, x)`` for ``(batch, 3, y, x)``.
    bank, validation
        Patches to train on, and to watch.
    folder
        Where ``metrics.csv`` goes.
    seed
        Of shuffling and augmentation.

    Raises
    ------
    InsarError
        If the loss stops being a number, naming the step.
    """
    lightning.seed_everything(seed, verbose=False)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    with _quiet():
        trainer = lightning.Trainer(
            max_epochs=epochs, accelerator="auto", devices=1, precision="bf16-mixed",
            logger=CSVLogger(folder, "log", ""),
            enable_checkpointing=False, enable_progress_bar=progress, enable_model_summary=False, log_every_n_steps=10,
            num_sanity_val_steps=0, gradient_clip_val=1.0,
        )  # fmt: skip
        order = torch.Generator().manual_seed(seed)
        trainer.fit(
            Segmenter(network, learning_rate=learning_rate),
            DataLoader(
                BankDataset(bank), batch_size, shuffle=True, generator=order, drop_last=len(bank.target) > batch_size
            ),
            DataLoader(BankDataset(validation), batch_size),
        )
    network.eval()


def predict(network: nn.Module, bank: Bank, *, batch_size: int = 64) -> Iterator[tuple[slice, torch.Tensor]]:
    """Probability of every patch of a bank, batch by batch, float32."""
    network.eval()
    with torch.inference_mode():
        for start in range(0, len(bank.target), batch_size):
            place = slice(start, min(start + batch_size, len(bank.target)))
            image = torch.from_numpy(np.asarray(bank.image[place], dtype=np.float32))
            yield place, torch.sigmoid(network(image.contiguous(memory_format=torch.channels_last))[:, 0])


def seasons(network: nn.Module, bank: Bank) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """For each place of a bank the map of its whole season, and the truth.

    Yields
    ------
    probability : ndarray
        float32 ``(y, x)``: over the dates of each delay the mean, over the delays the highest, as an inventory has it.
    target : ndarray
        uint8 ``(y, x)``: moving where some pair shows it, open where some pair hides it, missing where no pair has
        data, else absent.
    """
    for place in np.unique(bank.place):
        here = bank.at(np.flatnonzero(bank.place == place))
        probability = np.concatenate([p.numpy() for _, p in predict(network, here)])
        means = [probability[here.delay == delay].mean(axis=0) for delay in np.unique(here.delay)]
        target = np.where((here.target == MISSING).all(axis=0), MISSING, ABSENT).astype(np.uint8)
        for state in (OPEN, MOVING):
            target[(here.target == state).any(axis=0)] = state
        yield np.max(means, axis=0), target


def choose_threshold(network: nn.Module, validation: Bank) -> float:
    """The probability with the highest pixel F1 on the seasons of validation scenes: what an inventory is cut at."""
    scores = PixelScores()
    for probability, target in seasons(network, validation):
        scores.update(torch.from_numpy(probability), torch.from_numpy(target))
    return scores.best_threshold()


def score(network: nn.Module, bank: Bank, *, threshold: float) -> dict[str, dict[str, dict[str, float]]]:
    """Pixel and object scores of a bank.

    Returns
    -------
    dict
        ``{"all": {"pixel": ..., "object": ...}, ...}``: of single pairs, all and by delay in days, and of whole seasons
        (``"season"``).
    """
    pixels: dict[str, PixelScores] = {}
    objects: dict[str, ObjectScores] = {}

    def add(name: str, probability: np.ndarray, target: np.ndarray) -> None:
        pixels.setdefault(name, PixelScores()).update(torch.from_numpy(probability), torch.from_numpy(target))
        objects.setdefault(name, ObjectScores()).update(probability, target, threshold)

    for rows, batch in predict(network, bank):
        for probability, target, delay in zip(batch.numpy(), bank.target[rows], bank.delay[rows], strict=True):
            add("all", probability, np.array(target))
            add(str(delay), probability, np.array(target))
    for probability, target in seasons(network, bank):
        add("season", probability, target)
    return {name: {"pixel": pixels[name].at(threshold), "object": objects[name].scores()} for name in pixels}


@contextmanager
def _quiet() -> Iterator[None]:
    """Lightning's advice about loader workers, devices and its makers' services is not for this loop's users."""
    logger = logging.getLogger("lightning.pytorch")
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="lightning")
            warnings.filterwarnings("ignore", module="torch")
            yield
    finally:
        logger.setLevel(level)
