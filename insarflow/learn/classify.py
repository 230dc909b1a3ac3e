"""Training of networks that say what a whole clip shows: a landslide, or none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import torch
from torch import Generator, Tensor, nn
from torch.nn.functional import cross_entropy
from torch.utils.data import Dataset

from insarflow.errors import InsarError, SchemaError
from insarflow.learn.augment import Chain
from insarflow.learn.loop import Segmenter
from insarflow.learn.samples import Samples
from insarflow.learn.train import Fitted, trained
from insarflow.learn.training import Training

CLASSES: Final = ("none", "landslide")
"""What the two logits of a clip stand for."""


class Clips(NamedTuple):
    """Clips stacked.

    Attributes
    ----------
    image
        float32, ``(batch, channel, y, x)``, finite.
    label
        int64, ``(batch,)``: place in `CLASSES`.
    """

    image: Tensor
    label: Tensor


class ClipSamples(Samples):
    """Clips of any dataset, checked, cleaned of what is not finite, with their number.

    Parameters
    ----------
    dataset
        Map-style, of dicts ``image`` float32 ``(channel, y, x)`` and ``label``, 0 or 1 (one int64); numbers from 0 to
        its length. A pixel with a channel that is not finite becomes 0 in all.
    channels
        Number of channels that every image must have.
    """

    def __getitem__(self, index: int) -> dict[str, Any]:
        """One clip: image, label and number.

        Raises
        ------
        SchemaError
            Naming the clip's number, what it must be and what it is.
        """
        name, sample = f"clip {index}", self.dataset[index]
        if not isinstance(sample, Mapping) or not {"image", "label"} <= sample.keys():
            got = sorted(sample) if isinstance(sample, Mapping) else type(sample).__name__
            raise SchemaError(f"{name} must be a dict with image and label, instead got {got}")
        image = self._image({"image": sample["image"], "mask": None}, name)
        label = torch.as_tensor(sample["label"])
        if label.numel() != 1 or label.is_floating_point() or not 0 <= int(label) < len(CLASSES):
            raise SchemaError(f"label of {name} must be 0 (none) or 1 (landslide), instead got {sample['label']!r:.80}")
        image = torch.where(torch.isfinite(image).all(0), image, 0.0)
        return {"image": image, "label": label.reshape(()).to(torch.int64), "index": index}


def collate_clips(samples: Sequence[Mapping[str, Any]]) -> Clips:
    """A batch of what `ClipSamples` gives.

    Raises
    ------
    SchemaError
        If sizes differ, naming the first clip that differs.
    """
    first = samples[0]
    for sample in samples:
        if sample["image"].shape != first["image"].shape:
            raise SchemaError(
                f"clip {sample['index']} must have the size {tuple(first['image'].shape)} of clip {first['index']}, "
                f"instead got {tuple(sample['image'].shape)}: resample them to one size"
            )
    return Clips(torch.stack([s["image"] for s in samples]), torch.stack([s["label"] for s in samples]))


class Classifier(Segmenter):
    """As `Segmenter`, of clips: the network gives logits ``(batch, 2)``, and the loss is their cross-entropy."""

    collate = staticmethod(collate_clips)

    def _changed(self, batch: Any, _: Generator) -> Any:
        return batch

    def _loss(self, batch: Any) -> Tensor:
        logits = self._logits(batch.image.contiguous(memory_format=torch.channels_last))
        if logits.shape != (len(batch.image), len(CLASSES)):
            raise InsarError(
                f"the network must give logits (batch, {len(CLASSES)}) of clips, instead got {tuple(logits.shape)} for "
                f"{len(batch.image)}: a network of pixels is trained by insarflow.learn.train.fit"
            )
        return cross_entropy(logits.float(), batch.label)


def fit_clips(
    network: nn.Module,
    data: Dataset[Any],
    validation: Dataset[Any],
    folder: Path,
    training: Training,
    *,
    channels: int = 3,
    resume: bool = False,
    progress: bool = True,
) -> Fitted:
    """Train a classifier of clips in place; all else as `insarflow.learn.train.fit`.

    Parameters
    ----------
    network
        Gives logits ``(batch, 2)`` for float32 ``(batch, channel, y, x)``; class 1 is a landslide.
    data, validation
        Map-style datasets of clips (see `ClipSamples`) to train on, and to watch. Random changes of clips come with
        the dataset, which draws by (epoch, index) if it has a method ``set_epoch``.
    folder, training, resume, progress
        As of `insarflow.learn.train.fit`; the loss is cross-entropy, and there are no augmentations.
    channels
        That every clip has.

    Raises
    ------
    ValueError
        If the training asks for another loss, or for augmentations, which know no clips.
    InsarError
        As `insarflow.learn.train.fit`.
    """
    if training.loss != "bce":
        raise ValueError(f"loss must be 'bce', cross-entropy, for clips, instead got loss={training.loss!r}")
    if training.augmentations:
        raise ValueError(
            f"augmentations must be {{}} for clips, instead got {sorted(training.augmentations)}: give the dataset "
            "transforms"
        )
    samples, watched = ClipSamples(data, channels), ClipSamples(validation, channels)

    def module(network: nn.Module, training: Training, **more: Any) -> Classifier:
        return Classifier(network, training, augmentation=Chain([]), **more)

    return trained(network, module, samples, watched, folder, training, resume=resume, progress=progress)
