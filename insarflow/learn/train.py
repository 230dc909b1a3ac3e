"""Training of a network on samples."""

from __future__ import annotations

import logging
import signal
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence, Sized
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import lightning
import safetensors.torch
import torch
from lightning import LightningModule
from torch import Tensor, nn
from torch.utils.data import Dataset

from insarflow.errors import InsarError
from insarflow.learn.average import WeightAverage
from insarflow.learn.checkpoint import SafeCheckpoints, read_state
from insarflow.learn.draws import own_draws
from insarflow.learn.log import loggers
from insarflow.learn.loop import BEST, LAST, EpochEnd, Segmenter
from insarflow.learn.models import build_model
from insarflow.learn.phase import CHANNELS
from insarflow.learn.precision import Precision, precision_for
from insarflow.learn.samples import Samples
from insarflow.learn.training import Training
from insarflow.learn.transforms import build_transforms


@dataclass(frozen=True)
class Fitted:
    """How a training went.

    Attributes
    ----------
    epochs
        That were trained, those before a resumption included.
    best_epoch
        Whose validation loss was the lowest, from 0.
    validation_loss
        The lowest.
    precision
        That was trained with.
    """

    epochs: int
    best_epoch: int
    validation_loss: float
    precision: Precision


def fresh_network(architecture: str, channels: int, *, seed: int) -> nn.Module:
    """A network whose weights are a function of `seed`; see `insarflow.learn.models.build_model`."""
    with own_draws():
        torch.manual_seed(seed)
        return build_model(architecture, channels)


def fit(
    network: nn.Module,
    data: Dataset[Any],
    validation: Dataset[Any],
    folder: Path,
    training: Training,
    *,
    channels: Sequence[str] = CHANNELS,
    resume: bool = False,
    progress: bool = True,
) -> Fitted:
    """Train `network` in place.

    Parameters
    ----------
    network
        Gives logits ``(batch, 1, y, x)`` for float32 ``(batch, channel, y, x)``; if samples are series, for image
        ``(batch, time, channel, y, x)``, when and there (see `insarflow.learn.samples`).
    data, validation
        Map-style datasets of samples (see `insarflow.learn.samples`) to train on, and to watch. One that draws for
        itself should do so by (epoch, index), and have a method ``set_epoch``.
    folder
        Gets ``log/metrics.csv``, ``last.ckpt`` (the state after the last whole epoch), ``best.safetensors``; and
        TensorBoard's files where it is installed. What an earlier training left there is replaced.
    training
        Parameters.
    channels
        Names of the images' channels, in order.
    resume
        Go on after the last whole epoch of the training that was begun in `folder`; from the start if there is none.
    progress
        Show a bar.

    Returns
    -------
    Fitted
        How it went. The network is in evaluation mode.

    Raises
    ------
    InsarError
        If the loss stops being a number, naming the step; if a sample is not what it must be, naming it; if the
        checkpoint is damaged, or is that of another training.

    Notes
    -----
    Whatever is drawn is a function of (seed, epoch, index): order, augmentations, and what layers such as dropout draw.
    On a CPU, with as many threads, a training that was stopped or killed and resumed gives the same bits as one that
    was not. Torch's global generators are left as they were.
    """
    samples, watched = Samples(data, len(channels)), Samples(validation, len(channels))
    module = partial(Segmenter, augmentation=build_transforms(training.augmentations, channels))
    return trained(network, module, samples, watched, folder, training, resume=resume, progress=progress)


def trained(
    network: nn.Module, module: Callable[..., LightningModule], samples: Sized, watched: Sized, folder: Path,
    training: Training, *, resume: bool, progress: bool,
) -> Fitted:  # fmt: skip
    """Train what `module` says how to: the part of `fit` that knows no kind of sample.

    Parameters
    ----------
    network, folder, training, resume, progress
        As of `fit`.
    module
        Called with network and training, ``data=``, ``validation=`` and ``start=``, the first epoch: says what a step
        is.
    samples, watched
        Checked samples to train on, and to watch.

    Raises
    ------
    InsarError
        As `fit`.
    """
    for name, count in (("data", len(samples)), ("validation", len(watched))):
        if not count:
            raise InsarError(f"{name} must hold samples, instead got none: nothing can be learned from it")
    begun = _begun(folder / LAST, training, len(samples), network) if resume and (folder / LAST).exists() else {}
    precision = _precision(training)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    average = None if training.average is None else WeightAverage(network, training.average)
    end = EpochEnd(network, folder, training.patience, average)
    if begun:
        end.load_state_dict(begun["callbacks"][end.state_key])
    else:
        (folder / LAST).unlink(missing_ok=True)
    if not end.is_over(training.epochs):
        steps = module(network.train(), training, data=samples, validation=watched, start=end.epochs)
        with _quiet(), own_draws(), _interruptible():
            trainer = lightning.Trainer(
                max_epochs=training.epochs, accelerator=training.accelerator, devices=training.devices,
                precision=precision, gradient_clip_val=training.clip, use_distributed_sampler=False,
                callbacks=[end] if average is None else [average, end], plugins=[SafeCheckpoints()],
                logger=loggers(folder, end.epochs), log_every_n_steps=10, num_sanity_val_steps=0,
                enable_progress_bar=progress, enable_model_summary=False, default_root_dir=folder,
            )  # fmt: skip
            trainer.fit(steps, ckpt_path=folder / LAST if begun else None)
        if trainer.interrupted:  # Lightning may swallow it
            raise KeyboardInterrupt
    network.load_state_dict(_result(folder, training))
    network.eval()
    return Fitted(end.epochs, end.best_epoch, end.lowest, precision)


def _begun(path: Path, training: Training, samples: int, network: nn.Module) -> dict[str, Any]:
    """The state to go on from, if it is that of this training.

    Raises
    ------
    InsarError
        If it is another's, naming what differs.
    """
    state = read_state(path)
    try:
        there, kept = state["insarflow"]["training"], state["state_dict"]
        different = training.different(there)
        if state["insarflow"]["samples"] != samples:
            different.append(f"samples={samples} (there: {state['insarflow']['samples']})")
        expected = {f"network.{name}": tuple(value.shape) for name, value in network.state_dict().items()}
        found = {name: tuple(value.shape) for name, value in kept.items()}
    except (KeyError, TypeError, AttributeError) as error:
        raise InsarError(
            f"{path} is not the state of a training by insarflow.learn.train.fit: train from the start, without resume"
        ) from error
    if found != expected:
        names = [n for n in sorted({*found, *expected}) if found.get(n) != expected.get(n)]
        different.append(f"a network with {names[0]} {expected.get(names[0])} (there: {found.get(names[0])})")
    if different:
        raise InsarError(
            f"{path} is the state of another training: {'; '.join(different)}. Resume with what is there, or "
            "train from the start in another folder"
        )
    return state


def _precision(training: Training) -> Precision:
    if training.precision != "auto":
        return training.precision
    gpu = training.accelerator in ("gpu", "cuda") or (training.accelerator == "auto" and torch.cuda.is_available())
    return precision_for("cuda" if gpu else "cpu" if training.accelerator in ("auto", "cpu") else training.accelerator)


def _result(folder: Path, training: Training) -> Mapping[str, Tensor]:
    """The weights that a training was for."""
    if training.keep == "best":
        return safetensors.torch.load_file(folder / BEST)
    state = read_state(folder / LAST)
    if training.average is not None:
        average: dict[str, Tensor] = state["callbacks"][WeightAverage.__qualname__]["average"]
        return average
    return {name.removeprefix("network."): value for name, value in state["state_dict"].items()}


@contextmanager
def _interruptible() -> Iterator[None]:
    """Lightning answers an interrupt by ending the process, deaf to the next one; here it stays an interrupt."""
    handler = signal.getsignal(signal.SIGINT)
    try:
        yield
    except SystemExit as ended:
        if not isinstance(ended.__context__, KeyboardInterrupt):
            raise
        signal.signal(signal.SIGINT, handler)
        raise ended.__context__ from None


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
