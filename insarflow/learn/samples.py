"""Training samples, looked at one by one, and batches of them.

A sample is a dict: ``image`` float32 ``(channel, y, x)``; ``mask`` uint8 ``(y, x)``, states of
`insarflow.simulate.truth`; optionally ``valid`` bool ``(y, x)``, False for pixels that do not count in the loss
whatever the mask says, and ``weight``, float32 ``(y, x)`` or one number, 0 or more. Other keys are left out of batches.
A pixel with a channel that is not finite is missing: all its channels become 0, which is what missing pixels look like
to the networks, and its mask `MISSING`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from insarflow.errors import SchemaError
from insarflow.learn.bank import Bank
from insarflow.simulate.truth import MISSING, MOVING, OPEN

Sample = Mapping[str, Any]

_STATES: Final = MISSING + 1


class Batch(NamedTuple):
    """Samples stacked.

    Attributes
    ----------
    image
        float32, ``(batch, channel, y, x)``, finite.
    mask
        uint8, ``(batch, y, x)``; what does not count is `OPEN` or `MISSING`.
    weight
        float32, ``(batch, y, x)``, or ``(batch, 1, 1)`` if no sample has one for each pixel.
    """

    image: Tensor
    mask: Tensor
    weight: Tensor

    @property
    def target(self) -> Tensor:
        """Which pixels move, bool."""
        return self.mask == MOVING

    @property
    def valid(self) -> Tensor:
        """Which pixels count, bool."""
        return self.mask < OPEN


class BankDataset(Dataset[Sample]):
    """Patches of a bank as samples ``image`` float32 ``(3, y, x)`` and ``mask`` uint8 ``(y, x)``.

    Parameters
    ----------
    numbers
        Of the patches; None for all.
    """

    def __init__(self, bank: Bank, numbers: np.ndarray | None = None) -> None:
        self.bank, self.numbers = bank, np.arange(len(bank.target)) if numbers is None else numbers

    def __len__(self) -> int:
        """Number of patches."""
        return len(self.numbers)

    def __getitem__(self, index: int) -> Sample:
        """One patch."""
        number = self.numbers[index]
        image = torch.from_numpy(np.asarray(self.bank.image[number], dtype=np.float32))
        return {"image": image, "mask": torch.from_numpy(np.array(self.bank.target[number]))}


class Samples(Dataset[dict[str, Any]]):
    """Samples of any dataset, checked, cleaned of what is not finite, with their number.

    Parameters
    ----------
    dataset
        Map-style, of samples; numbers from 0 to its length.
    channels
        Number of channels that every image must have.
    """

    def __init__(self, dataset: Dataset[Any], channels: int) -> None:
        self.dataset, self.channels = dataset, channels

    def __len__(self) -> int:
        """Number of samples."""
        return len(self.dataset)  # type: ignore[arg-type]

    def set_epoch(self, epoch: int) -> None:
        """Pass an epoch on to a dataset that draws by it."""
        tell = getattr(self.dataset, "set_epoch", None)
        if callable(tell):
            tell(epoch)

    def __getitem__(self, index: int) -> dict[str, Any]:
        """One sample: image, mask, weight and number.

        Raises
        ------
        SchemaError
            Naming the sample's number, what it must be and what it is.
        """
        name, sample = f"sample {index}", self.dataset[index]
        image, mask = self._image(sample, name), _mask(sample, name)
        if mask.shape != image.shape[-2:]:
            raise _wrong(name, "mask", f"have the image's size {tuple(image.shape[-2:])}", tuple(mask.shape))
        missing = ~torch.isfinite(image).all(0)
        image = torch.where(missing, 0.0, image)
        mask = mask.masked_fill(missing, MISSING)
        if sample.get("valid") is not None:
            valid = _tensor(sample["valid"])
            if valid.dtype != torch.bool or valid.shape != mask.shape:
                raise _wrong(
                    name, "valid", f"be bool of the size {tuple(mask.shape)}", f"{valid.dtype} {tuple(valid.shape)}"
                )
            mask = torch.where(valid | (mask == MISSING), mask, OPEN)
        return {"image": image, "mask": mask, "weight": _weight(sample, mask, name), "index": index}

    def _image(self, sample: object, name: str) -> Tensor:
        if not isinstance(sample, Mapping) or not {"image", "mask"} <= sample.keys():
            got = sorted(sample) if isinstance(sample, Mapping) else type(sample).__name__
            raise SchemaError(f"{name} must be a dict with image and mask, instead got {got}")
        image = _tensor(sample["image"])
        if image.dtype != torch.float32 or image.ndim != 3:
            raise _wrong(name, "image", "be float32 (channel, y, x)", f"{image.dtype} {tuple(image.shape)}")
        if len(image) != self.channels:
            raise _wrong(name, "image", f"have the network's {self.channels} channels", f"{len(image)} channels")
        return image


def collate(samples: Sequence[Mapping[str, Any]]) -> Batch:
    """A batch of what `Samples` gives.

    Raises
    ------
    SchemaError
        If sizes differ, naming the first sample that differs.
    """
    first = samples[0]
    for sample in samples:
        if sample["mask"].shape != first["mask"].shape:
            raise SchemaError(
                f"sample {sample['index']} must have the size {tuple(first['mask'].shape)} of sample {first['index']}, "
                f"instead got {tuple(sample['mask'].shape)}: cut patches of one size, or take batches of one"
            )
    weights = [sample["weight"] for sample in samples]
    if all(weight.ndim == 0 for weight in weights):
        weight = torch.stack(weights)[:, None, None]
    else:
        weight = torch.stack([w.expand(first["mask"].shape) for w in weights])
    return Batch(torch.stack([s["image"] for s in samples]), torch.stack([s["mask"] for s in samples]), weight)


def _tensor(value: Any) -> Tensor:
    return value if isinstance(value, Tensor) else torch.from_numpy(np.ascontiguousarray(value))


def _mask(sample: Sample, name: str) -> Tensor:
    mask = _tensor(sample["mask"])
    if mask.dtype != torch.uint8 or mask.ndim != 2:
        raise _wrong(name, "mask", "be uint8 (y, x)", f"{mask.dtype} {tuple(mask.shape)}")
    if mask.numel() and int(mask.max()) >= _STATES:
        raise _wrong(name, "mask", "hold 0 absent, 1 moving, 2 open, 3 missing", int(mask.max()))
    return mask


def _weight(sample: Sample, mask: Tensor, name: str) -> Tensor:
    """Weight of each pixel or of all; what stands in pixels that do not count does not matter."""
    given = sample.get("weight")
    weight = _tensor(1.0 if given is None else given).float()
    if weight.ndim == 0 or weight.shape == (1,):
        weight = weight.reshape(())
        bad = weight
    elif weight.shape == mask.shape:
        bad = weight = torch.where(mask < OPEN, weight, 0.0)
    else:
        raise _wrong(name, "weight", f"be one number or of the size {tuple(mask.shape)}", tuple(weight.shape))
    if not bool((torch.isfinite(bad) & (bad >= 0)).all()):
        raise _wrong(name, "weight", "be finite and 0 or more where the pixel counts", float(bad.min()))
    return weight


def _wrong(name: str, what: str, wanted: str, got: object) -> SchemaError:
    return SchemaError(f"{what} of {name} must {wanted}, instead got {got}")
