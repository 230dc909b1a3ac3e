"""The parameters of a training."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Final, Literal

from insarflow.learn.losses import LOSSES, Loss, build_loss
from insarflow.learn.precision import PRECISIONS
from insarflow.learn.transforms import STANDARD, Parameters, build_transforms
from insarflow.ops.checks import check_choice, check_fraction, check_kind, check_number, check_whole

SCHEDULES: Final = ("one_cycle", "cosine", "constant", "halving")
KEPT: Final = ("last", "best")
_BETAS: Final = (0.9, 0.999)


@dataclass(frozen=True)
class Training:
    """All that the weights are a function of, beside data, network and machine.

    Attributes
    ----------
    epochs
        How often each sample is seen, at most.
    batch_size
        Samples of a batch, of each device.
    learning_rate
        The highest.
    schedule
        ``"one_cycle"``: rises for 30 % of the steps, then falls to nearly 0 (Smith and Topin 2019); ``"cosine"``: falls
        from the start; ``"constant"``; ``"halving"``: half as high after every `halve_every` epochs.
    weight_decay
        Decoupled from the gradient, as AdamW has it; 0 is Adam.
    loss, loss_parameters
        As `insarflow.learn.losses.build_loss`.
    augmentations
        As `insarflow.learn.transforms.build_transforms`.
    clip
        Largest norm of the gradient; None for any.
    average
        Decay of a moving average of the weights, which is then what is validated and kept; None for none.
    patience
        Epochs without a lower validation loss after which training ends; None to go on to the last.
    keep
        Weights of the ``"last"`` epoch, or of the ``"best"``, that of the lowest validation loss.
    seed
        Of the order of samples and of augmentations.
    precision
        ``"32-true"``, ``"bf16-mixed"``, or ``"auto"``: see `insarflow.learn.precision.precision_for`.
    compile
        Run the network through ``torch.compile``: slow to start, then faster on a GPU.
    accelerator, devices
        As Lightning's: ``"auto"``, ``"cpu"``, ``"gpu"``; a number of devices, or ``"auto"`` for all. With several, each
        has its share of the samples (ddp), and gradients are averaged over devices.
    workers
        Processes that load samples; 0 loads in this one. Nothing depends on it.
    halve_every
        Epochs, of the schedule ``"halving"``.
    betas
        What Adam's means of the gradient and of its square keep from step to step, 0 or more, below 1. ``"one_cycle"``
        moves the first between 0.85 and 0.95 itself.

    Raises
    ------
    TypeError, ValueError
        Naming the parameter, what it must be and what it is.
    """

    epochs: int
    batch_size: int = 32
    learning_rate: float = 2e-3
    schedule: Literal["one_cycle", "cosine", "constant", "halving"] = "one_cycle"
    weight_decay: float = 0.0
    loss: str = "bce"
    loss_parameters: Parameters = field(default_factory=dict)
    augmentations: Mapping[str, Parameters] = field(default_factory=lambda: STANDARD)
    clip: float | None = 1.0
    average: float | None = None
    patience: int | None = None
    keep: Literal["last", "best"] = "last"
    seed: int = 0
    precision: Literal["auto", "32-true", "bf16-mixed"] = "auto"
    compile: bool = False
    accelerator: str = "auto"
    devices: int | Literal["auto"] = 1
    workers: int = 0
    halve_every: int = 10
    betas: tuple[float, float] = _BETAS

    def __post_init__(self) -> None:
        for name, low in {"epochs": 1, "batch_size": 1, "halve_every": 1, "seed": 0, "workers": 0}.items():
            check_whole(name, getattr(self, name), low=low)
        check_kind("loss", self.loss, str, "the name of a loss")
        check_kind("accelerator", self.accelerator, str, "a text such as 'auto', 'cpu' or 'gpu'")
        choices = {"schedule": SCHEDULES, "loss": LOSSES, "keep": KEPT, "precision": PRECISIONS}
        for name, allowed in choices.items():
            check_choice(name, getattr(self, name), allowed)
        _above_zero("learning_rate", self.learning_rate)
        if check_number("weight_decay", self.weight_decay) < 0.0:
            raise ValueError(f"weight_decay must be 0 or more, instead got weight_decay={self.weight_decay}")
        object.__setattr__(self, "betas", _betas(self.betas))
        if self.schedule == "one_cycle" and self.betas[0] != _BETAS[0]:
            raise ValueError(
                f"betas must begin with {_BETAS[0]} with schedule='one_cycle', which moves it itself, instead got "
                f"betas={self.betas}: choose another schedule"
            )
        if self.clip is not None:
            _above_zero("clip", self.clip)
        if self.average is not None and check_fraction("average", self.average) == 1.0:
            raise ValueError("average must be below 1, instead got average=1: it would never move")
        if self.patience is not None:
            check_whole("patience", self.patience, low=1)
        if self.devices != "auto":
            check_whole("devices", self.devices, low=1)
        check_kind("compile", self.compile, bool, "true or false")
        check_kind("loss_parameters", self.loss_parameters, Mapping, "parameters by name")
        check_kind("augmentations", self.augmentations, Mapping, "names of augmentations with their parameters")
        build_loss(self.loss, self.loss_parameters)

    @property
    def criterion(self) -> Loss:
        """The loss."""
        return build_loss(self.loss, self.loss_parameters)

    def check_channels(self, channels: tuple[str, ...]) -> None:
        """See whether the augmentations may be applied to images of these channels.

        Raises
        ------
        TypeError, ValueError
            If not, naming the augmentation and what to do.
        """
        build_transforms(self.augmentations, channels)

    def plain(self) -> dict[str, Any]:
        """Numbers, texts, lists and dicts, as JSON and YAML have them."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        values["betas"] = list(self.betas)
        values["loss_parameters"] = dict(self.loss_parameters)
        values["augmentations"] = {name: dict(given) for name, given in self.augmentations.items()}
        return values

    def different(self, other: Mapping[str, Any]) -> list[str]:
        """Name what another training, as of `plain`, has otherwise; what no weight depends on is passed over.

        One that was written before a parameter existed has its default.
        """
        ours = json.loads(json.dumps(self.plain()))
        there = {**_LATER, **other}
        names = [name for name in ours if name != "workers" and ours[name] != there.get(name)]
        return [f"{name}={ours[name]} (there: {there.get(name)})" for name in names]


_LATER: Final[Mapping[str, Any]] = {"halve_every": 10, "betas": list(_BETAS)}
"""Parameters that checkpoints of earlier versions do not hold, as they trained."""


def _betas(given: object) -> tuple[float, float]:
    if not isinstance(given, list | tuple) or len(given) != 2:
        raise TypeError(f"betas must be two numbers such as (0.9, 0.999), instead got betas={given!r:.80}")
    first, second = (check_fraction("betas", value) for value in given)
    if 1.0 in (first, second):
        raise ValueError(f"betas must be below 1, instead got betas={given}: such a mean would never move")
    return first, second


def _above_zero(name: str, value: float) -> None:
    if check_number(name, value) <= 0.0:
        raise ValueError(f"{name} must be above 0, instead got {name}={value}")
