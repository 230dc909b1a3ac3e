"""What Lightning calls: steps of a batch, the optimiser, the end of an epoch."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR, LRScheduler, OneCycleLR
from torch.utils.data import DataLoader

from insarflow.errors import InsarError
from insarflow.learn.augment import Transform
from insarflow.learn.average import WeightAverage
from insarflow.learn.draws import EpochSampler, batch_generator, batch_seed
from insarflow.learn.samples import Batch, Samples, collate
from insarflow.learn.training import Training
from insarflow.learn.transforms import augmented


class Segmenter(LightningModule):
    """Binary segmentation of moving slopes.

    Parameters
    ----------
    network
        Gives logits ``(batch, 1, y, x)`` for images, or for image, when and there of series (`Batch`).
    training
        Parameters.
    augmentation
        Of image and mask, drawn from the generator of the batch.
    data, validation
        Samples.
    start
        First epoch.
    """

    collate: Callable[..., Any] = staticmethod(collate)

    def __init__(
        self,
        network: nn.Module,
        training: Training,
        augmentation: Transform,
        data: Samples,
        validation: Samples,
        *,
        start: int = 0,
    ) -> None:
        super().__init__()
        self.network, self.parameters_of, self.augmentation = network, training, augmentation
        self.criterion = training.criterion
        self.data, self.validation, self.start = data, validation, start
        # A function, not a module, so that weights keep their names.
        self._logits: Callable[..., Tensor] = torch.compile(network.forward) if training.compile else network.__call__
        self._losses: list[Tensor] = []

    def train_dataloader(self) -> DataLoader[Any]:
        """Batches in an order that is a function of seed and epoch."""
        size, seeds = self.parameters_of.batch_size, torch.Generator()
        order = EpochSampler(
            len(self.data), seed=self.parameters_of.seed, epoch=self.start, rank=self.trainer.global_rank,
            world=self.trainer.world_size, dataset=self.data, loader=seeds,
        )  # fmt: skip
        return self._loader(self.data, sampler=order, generator=seeds, drop_last=len(order) > size)

    def val_dataloader(self) -> DataLoader[Any]:
        """All samples once, shared out over the processes."""
        mine = range(self.trainer.global_rank, len(self.validation), self.trainer.world_size)
        return self._loader(self.validation, sampler=mine, generator=torch.Generator(), drop_last=False)

    def training_step(self, batch: Batch, number: int) -> Tensor:
        """Loss of an augmented batch."""
        seed, epoch, rank = self.parameters_of.seed, self.current_epoch, self.trainer.global_rank
        torch.manual_seed(batch_seed(seed, epoch, number, rank))  # for layers that draw
        generator = batch_generator(seed, epoch, number, rank=rank, device=batch.image.device)
        batch = self._changed(batch, generator)
        loss = self._loss(batch)
        if not torch.isfinite(loss):
            raise InsarError(
                f"the loss became {loss.item()} at step {self.global_step} (epoch {epoch}): lower the learning rate"
            )
        self._losses.append(loss.detach())
        self.log("loss", loss, prog_bar=True, batch_size=len(batch.image))
        self.log("learning_rate", self.trainer.optimizers[0].param_groups[0]["lr"], batch_size=len(batch.image))
        return loss

    def validation_step(self, batch: Batch, _: int) -> None:
        """Loss of a batch as it is."""
        several = self.trainer.world_size > 1
        self.log(
            "validation_loss", self._loss(batch), prog_bar=True, batch_size=len(batch.image), sync_dist=several,
        )  # fmt: skip

    def on_train_epoch_end(self) -> None:
        """Note the mean loss of the epoch."""
        mean = self.trainer.strategy.reduce(torch.stack(self._losses).mean(), reduce_op="mean")
        self._losses.clear()
        for logger in self.loggers:
            logger.log_metrics({"epoch": self.current_epoch, "epoch_loss": float(mean)}, step=self.global_step - 1)

    def configure_optimizers(self) -> dict[str, object]:  # type: ignore[override]
        """Adam, with the rate of each step."""
        training = self.parameters_of
        optimiser = torch.optim.AdamW(
            self.parameters(), lr=training.learning_rate, betas=training.betas, weight_decay=training.weight_decay
        )
        total = max(int(self.trainer.estimated_stepping_batches), 2)
        schedule: LRScheduler
        if training.schedule == "one_cycle":
            schedule = OneCycleLR(optimiser, training.learning_rate, total_steps=total)
        elif training.schedule == "cosine":
            schedule = LambdaLR(optimiser, lambda step: 0.5 * (1.0 + math.cos(math.pi * min(step / total, 1.0))))
        elif training.schedule == "halving":
            steps = max(total // training.epochs, 1) * training.halve_every
            schedule = LambdaLR(optimiser, lambda step: 0.5 ** (step // steps))
        else:
            schedule = LambdaLR(optimiser, lambda _: 1.0)
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Note what the training is a function of."""
        checkpoint["insarflow"] = {"training": self.parameters_of.plain(), "samples": len(self.data)}

    def _changed(self, batch: Batch, generator: torch.Generator) -> Batch:
        return augmented(batch, self.augmentation, generator)

    def _loss(self, batch: Batch) -> Tensor:
        if batch.when is None:
            logits = self._logits(batch.image.contiguous(memory_format=torch.channels_last))
        else:
            logits = self._logits(batch.image, batch.when, batch.there)
        if logits.shape != (len(batch.image), 1, *batch.mask.shape[-2:]):
            raise InsarError(
                f"the network must give logits (batch, 1, y, x) for each pixel of {tuple(batch.mask.shape)}, "
                f"instead got {tuple(logits.shape)}"
            )
        return self.criterion(logits[:, 0], batch.target, batch.valid, batch.weight)

    def _loader(self, samples: Samples, **order: Any) -> DataLoader[Any]:
        workers = self.parameters_of.workers
        size = self.parameters_of.batch_size
        return DataLoader(samples, size, collate_fn=self.collate, num_workers=workers, **order)


class EpochEnd(Checkpoint):
    """After each epoch: is it the best, is it enough, and a checkpoint.

    Parameters
    ----------
    network
        What is trained.
    folder
        Gets ``last.ckpt``, the state of the training, and ``best.safetensors``, the weights with the lowest validation
        loss.
    patience
        Epochs without improvement after which training ends.
    average
        Its weights are the ones that count.
    """

    def __init__(self, network: nn.Module, folder: Path, patience: int | None, average: WeightAverage | None) -> None:
        self.network, self.folder, self.patience, self.average = network, folder, patience, average
        self.lowest, self.best_epoch, self.epochs = math.inf, -1, 0

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write down where training is."""
        loss = float(trainer.callback_metrics["validation_loss"])
        if not math.isfinite(loss):
            raise InsarError(
                f"the validation loss became {loss} in epoch {trainer.current_epoch}: lower the learning rate"
            )
        self.epochs = trainer.current_epoch + 1
        if loss < self.lowest:
            self.lowest, self.best_epoch = loss, trainer.current_epoch
            if trainer.is_global_zero:
                self._save_best()
        if self.patience is not None and trainer.current_epoch - self.best_epoch >= self.patience:
            trainer.should_stop = True
        trainer.save_checkpoint(self.folder / LAST)

    def is_over(self, epochs: int) -> bool:
        """Whether nothing is left to do of so many epochs."""
        waited = self.epochs - 1 - self.best_epoch
        return self.epochs >= epochs or (self.epochs > 0 and self.patience is not None and waited >= self.patience)

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        return {"lowest": self.lowest, "best_epoch": self.best_epoch, "epochs": self.epochs}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up what a checkpoint kept."""
        self.lowest, self.best_epoch, self.epochs = (state_dict[k] for k in ("lowest", "best_epoch", "epochs"))

    def _save_best(self) -> None:
        state = self.average.average if self.average else self.network.state_dict()
        draft = self.folder / f"{BEST}.part"
        self.folder.mkdir(parents=True, exist_ok=True)
        draft.write_bytes(
            safetensors.torch.save(
                {k: v.detach().cpu().clone(memory_format=torch.contiguous_format) for k, v in state.items()}
            )
        )
        draft.replace(self.folder / BEST)


LAST, BEST = "last.ckpt", "best.safetensors"
