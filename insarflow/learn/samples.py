"""Training samples, looked at one by one, and batches of them.

A sample is a dict: ``image`` float32 ``(channel, y, x)``; ``mask`` uint8 ``(y, x)``, states of
`insarflow.simulate.truth`; optionally ``valid`` bool ``(y, x)``, False for pixels that do not count in the loss
whatever the mask says, and ``weight``, float32 ``(y, x)`` or one number, 0 or more. Other keys are left out of batches.
A sample of a series has an ``image`` float32 ``(time, channel, y, x)``, ``when`` float32 ``(time, 2)`` (days of the
reference acquisition since 2014-01-01, and delay in days), and ``there`` bool ``(time,)``, False for what is no member.
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
        float32, ``(batch, channel, y, x)``, or of series ``(batch, time, channel, y, x)``, finite.
    mask
        uint8, ``(batch, y, x)``; what does not count is `OPEN` or `MISSING`.
    weight
        float32, ``(batch, y, x)``, or ``(batch, 1, 1)`` if no sample has one for each pixel.
    when, there
        Of series, ``(batch, time, 2)`` and ``(batch, time)``; else None.
    """

    image: Tensor
    mask: Tensor
    weight: Tensor
    when: Tensor | None = None
    there: Tensor | None = None

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
        """One sample: image, mask, weight and number; of a series also when and there.

        Raises
        ------
        SchemaError
            Naming the sample's number, what it must be and what it is.
        """
        name, sample = f"sample {index}", self.dataset[index]
        image, mask = self._image(sample, name), _mask(sample, name)
        if mask.shape != image.shape[-2:]:
            raise _wrong(name, "mask", f"have the image's size {tuple(image.shape[-2:])}", tuple(mask.shape))
        missing = ~torch.isfinite(image).all(-3)
        series = _series(sample, image, name)
        if series:
            missing |= ~series["there"][:, None, None]
        image = torch.where(missing.unsqueeze(-3), 0.0, image)
        mask = mask.masked_fill(missing.all(0) if series else missing, MISSING)
        if sample.get("valid") is not None:
            valid = _tensor(sample["valid"])
            if valid.dtype != torch.bool or valid.shape != mask.shape:
                raise _wrong(
                    name, "valid", f"be bool of the size {tuple(mask.shape)}", f"{valid.dtype} {tuple(valid.shape)}"
                )
            mask = torch.where(valid | (mask == MISSING), mask, OPEN)
        return {"image": image, "mask": mask, "weight": _weight(sample, mask, name), "index": index, **series}

    def _image(self, sample: object, name: str) -> Tensor:
        if not isinstance(sample, Mapping) or not {"image", "mask"} <= sample.keys():
            got = sorted(sample) if isinstance(sample, Mapping) else type(sample).__name__
            raise SchemaError(f"{name} must be a dict with image and mask, instead got {got}")
        image = _tensor(sample["image"])
        dims = ("time", "channel", "y", "x") if "when" in sample else ("channel", "y", "x")
        if image.dtype != torch.float32 or image.ndim != len(dims):
            raise _wrong(name, "image", f"be float32 ({', '.join(dims)})", f"{image.dtype} {tuple(image.shape)}")
        if image.shape[-3] != self.channels:
            raise _wrong(name, "image", f"have the network's {self.channels} channels", f"{image.shape[-3]} channels")
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
        if sample["image"].shape[:-2] != first["image"].shape[:-2]:
            raise SchemaError(
                f"sample {sample['index']} must have as many members as sample {first['index']}, "
                f"{_members(first)}, instead got {_members(sample)}: make series of one length"
            )
    weights = [sample["weight"] for sample in samples]
    if all(weight.ndim == 0 for weight in weights):
        weight = torch.stack(weights)[:, None, None]
    else:
        weight = torch.stack([w.expand(first["mask"].shape) for w in weights])
    series = [_stacked(samples, name) for name in ("when", "there")] if "when" in first else []
    return Batch(_stacked(samples, "image"), _stacked(samples, "mask"), weight, *series)


def _stacked(samples: Sequence[Mapping[str, Any]], name: str) -> Tensor:
    return torch.stack([sample[name] for sample in samples])


def _members(sample: Mapping[str, Any]) -> str:
    return str(len(sample["there"])) if "there" in sample else "no series"


def _series(sample: Sample, image: Tensor, name: str) -> dict[str, Tensor]:
    """When and there of a series; nothing if it is none."""
    if "when" not in sample:
        return {}
    when, there = _tensor(sample["when"]), _tensor(sample.get("there", np.ones(len(image), bool)))
    if when.shape != (len(image), 2) or when.dtype != torch.float32 or not bool(torch.isfinite(when).all()):
        raise _wrong(
            name, "when", f"be finite float32 of the size {(len(image), 2)}", f"{when.dtype} {tuple(when.shape)}"
        )
    if there.shape != (len(image),) or there.dtype != torch.bool:
        raise _wrong(name, "there", f"be bool of the size {(len(image),)}", f"{there.dtype} {tuple(there.shape)}")
    return {"when": when, "there": there}


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
