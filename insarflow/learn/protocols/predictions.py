"""What a network says of samples, batch by batch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from insarflow.errors import InsarError
from insarflow.learn import phase
from insarflow.learn.classify import CLASSES, ClipSamples, collate_clips
from insarflow.learn.samples import Batch, Samples, collate


@dataclass(frozen=True)
class Predictions:
    """Probabilities and truth of all samples, worked out anew each time one goes through.

    Attributes
    ----------
    network
        In evaluation mode, on its device.
    samples
        Of pixels, or of clips.
    batch_size
        Samples at a time.
    offset
        Seed of a constant that is added to the phase of each sample, a function of (seed, number of the sample); None
        adds nothing. Needs images of coherence, cos, sin first.
    """

    network: nn.Module
    samples: Samples
    batch_size: int = 8
    offset: int | None = None

    def __iter__(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Probability, float32 ``(batch, y, x)``, and states of `insarflow.simulate.truth`; of clips ``(batch,)``.

        Raises
        ------
        InsarError
            If the network gives something else, or no number.
        SchemaError
            Of a sample that is not what it must be.
        """
        clips = isinstance(self.samples, ClipSamples)
        for first in range(0, len(self.samples), self.batch_size):
            numbers = range(first, min(first + self.batch_size, len(self.samples)))
            given = [self.samples[number] for number in numbers]
            if clips:
                image, target = collate_clips(given)
                yield self._of_clips(image), target.numpy().astype(np.uint8)
            else:
                batch = collate(given)
                yield self._of_pixels(batch, numbers), batch.mask.numpy()

    def _of_clips(self, image: Tensor) -> np.ndarray:
        logits = self._logits((image,), (len(image), len(CLASSES)), "(batch, 2) of clips")
        return _numbers(logits.softmax(1)[:, 1])

    def _of_pixels(self, batch: Batch, numbers: range) -> np.ndarray:
        image = batch.image if self.offset is None else _turned(batch.image, self.offset, numbers)
        inputs = (image,) if batch.when is None or batch.there is None else (image, batch.when, batch.there)
        logits = self._logits(inputs, (len(image), 1, *image.shape[-2:]), "(batch, 1, y, x) for each pixel")
        return _numbers(logits[:, 0].sigmoid())

    def _logits(self, inputs: tuple[Tensor, ...], shape: tuple[int, ...], wanted: str) -> Tensor:
        place = next((parameter.device for parameter in self.network.parameters()), torch.device("cpu"))
        inputs = tuple(tensor.to(place) for tensor in inputs)
        if len(inputs) == 1:
            inputs = (inputs[0].contiguous(memory_format=torch.channels_last),)
        with torch.inference_mode():
            logits: Tensor = self.network(*inputs)
        if logits.shape != shape:
            raise InsarError(f"the network must give logits {wanted}, instead got {tuple(logits.shape)}")
        return logits.float()


def _turned(image: Tensor, seed: int, numbers: range) -> Tensor:
    """Images with their constants added; all interferograms of a series have that of their sample."""
    draws = [np.random.default_rng((seed, number)).uniform(0.0, 2 * np.pi) for number in numbers]
    angles = torch.tensor(draws, dtype=image.dtype)
    if image.ndim == 4:
        return phase.offset(image, angles)
    return phase.offset(image.flatten(0, 1), angles.repeat_interleave(image.shape[1])).reshape(image.shape)


def _numbers(probability: Tensor) -> np.ndarray:
    if not bool(torch.isfinite(probability).all()):
        raise InsarError("the network must give numbers, instead got NaN: its training went wrong")
    found: np.ndarray = probability.cpu().numpy()
    return found
