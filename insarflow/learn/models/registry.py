"""Which network a name stands for: one of the package, one that a caller registered, one of an installed package."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points
from typing import Final

from torch import nn

from insarflow.errors import ModelError
from insarflow.learn.models.context import ContextUNet
from insarflow.learn.models.contrast import PhaseContrast
from insarflow.learn.models.deeplab import DeepLabV3ResNet50
from insarflow.learn.models.drs_unet import DRsUNet
from insarflow.learn.models.fcn import FCNResNet50
from insarflow.learn.models.nava import NavaCNN
from insarflow.learn.models.network import Network, Spec
from insarflow.learn.models.resunet import ResUNet
from insarflow.learn.models.segnet import SegNet
from insarflow.learn.models.sepunet import SepUNet
from insarflow.learn.models.small_unet import SmallUNet
from insarflow.learn.models.unet import UNet
from insarflow.learn.models.utae import UTAE

Factory = Callable[[int], nn.Module]
"""From a number of input channels to a network with freshly drawn weights."""

GROUP: Final = "insarflow.models"
"""Entry points by which installed packages bring networks: ``name = "package.module:factory"``."""

RESERVED: Final = ("default",)
"""Names of models with weights, which no network may have."""

_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")


@dataclass(frozen=True)
class Architecture:
    """A network without weights.

    Attributes
    ----------
    factory
        Builds it.
    spec
        What it needs around an output pixel, if somebody vouches for it; None leaves it to `insarflow.reach`.
    """

    factory: Factory
    spec: Spec | None


_OWN: Final[dict[str, type[Network]]] = {
    "context-unet": ContextUNet,
    "deeplabv3-resnet50": DeepLabV3ResNet50,
    "drs-unet": DRsUNet,
    "fcn-resnet50": FCNResNet50,
    "nava-cnn": NavaCNN,
    "phase-contrast": PhaseContrast,
    "resunet": ResUNet,
    "segnet": SegNet,
    "sepunet": SepUNet,
    "small-unet": SmallUNet,
    "unet": UNet,
    "utae": UTAE,
}

BUILT_IN: Final = {name: Architecture(network, network.spec) for name, network in _OWN.items()}
"""Networks of the package."""

_registered: dict[str, Architecture] = {}
_replaced = 0


def register_model(
    name: str, factory: Factory, *, stride: int | None = None, reach: int | None = None, replace: bool = False
) -> None:
    """Give a network a name, by which models that are saved with it are loaded again.

    Every process that loads such a model must register it, so best where the network's module is imported; workers of a
    cluster import it by ``dask worker --preload package.module``. A package that is installed needs no call: its entry
    points of the group ``insarflow.models`` are found by name, and imported when they are first used.

    Parameters
    ----------
    name
        A letter, then letters, digits, ``_`` and ``-``.
    factory
        ``factory(in_channels)`` gives a `torch.nn.Module` that maps float32 ``(batch, in_channels, y, x)`` to logits
        ``(batch, 1, y, x)``: a class, say. It is called anew for each model.
    stride, reach
        As `insarflow.learn.models.Spec`, pixels, if you know them: they are believed, and that no layer looks at the
        whole tile. By default `insarflow.reach` finds them when they are first needed.
    replace
        Whether another network of this name may be replaced.

    Raises
    ------
    TypeError
        If `name` is no text, or `factory` cannot be called.
    ValueError
        If the name has another form, is one of the package's own, or is taken; if one of `stride` and `reach` is given
        without the other, or is no whole positive number.

    Examples
    --------
    >>> from torch import nn
    >>> register_model("blur", lambda in_channels: nn.Conv2d(in_channels, 1, 3, padding=1), stride=1, reach=1)
    >>> "blur" in list_models()
    True
    >>> forget_model("blur")
    """
    global _replaced
    _check_name(name)
    if not callable(factory) or isinstance(factory, nn.Module):
        raise TypeError(
            f"factory must be a function or class that gives a torch.nn.Module of a number of input channels, instead "
            f"got factory={factory!r:.80} ({type(factory).__name__})"
        )
    new = Architecture(factory, _stated(factory, stride, reach))
    old = _registered.get(name, new)
    if old != new:
        if not replace:
            raise ValueError(
                f"name must be a new one, instead got name={name!r}, which stands for {old.factory!r:.80}: pass "
                "replace=True to replace it"
            )
        _replaced += 1
    _registered[name] = new


def forget_model(name: str) -> None:
    """Undo `register_model`; a name that is not registered is none too many."""
    global _replaced
    if _registered.pop(name, None) is not None:
        _replaced += 1


def replacements() -> int:
    """How often a registered network was replaced or forgotten: what was loaded before may be another's."""
    return _replaced


def list_models() -> list[str]:
    """Names of networks that `build_model` knows, in order; nothing is imported for it.

    Models with weights are another thing: `insarflow.learn.weights.list_named_models`.
    """
    return sorted({*BUILT_IN, *_registered, *_brought()})


def list_imported() -> list[str]:
    """Those of `list_models` for which nothing must be imported."""
    here = {name for name, points in _brought().items() if all(point.module in sys.modules for point in points)}
    return sorted({*BUILT_IN, *_registered, *here})


def architecture(name: str) -> Architecture:
    """The network of a name.

    Raises
    ------
    ValueError
        If the name is unknown.
    ModelError
        If an installed package brings it, and it cannot be imported.
    """
    if not isinstance(name, str) or name not in {*BUILT_IN, *_registered, *_brought()}:
        raise ValueError(f"name must be one of {list_models()}, instead got name={name!r:.80}: {WAY_OUT}")
    return BUILT_IN.get(name) or _registered.get(name) or _import(name, _brought()[name])


WAY_OUT: Final = (
    "to use another network, call insarflow.register_model(name, factory) in this process first, or install the "
    f"package that brings it (entry point of the group {GROUP!r})"
)


def _check_name(name: str) -> None:
    if not isinstance(name, str):
        raise TypeError(f"name must be a text, instead got name={name!r:.80} ({type(name).__name__})")
    if not _NAME.fullmatch(name):
        raise ValueError(f"name must be a letter and up to 63 letters, digits, _ and -, instead got name={name!r:.80}")
    if name in BUILT_IN or name in RESERVED:
        raise ValueError(f"name must be none of {[*BUILT_IN, *RESERVED]}, which are the package's, instead got {name=}")


def _stated(factory: Factory, stride: int | None, reach: int | None) -> Spec | None:
    """What the caller vouches for, else what the factory itself states."""
    if stride is None and reach is None:
        own = getattr(factory, "spec", None)
        return own if isinstance(own, Spec) else None
    for argument, value in (("stride", stride), ("reach", reach)):
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise ValueError(
                f"{argument} must be a whole positive number of pixels, and stride and reach be given together, "
                f"instead got {argument}={value!r}: leave both out, and insarflow.reach finds them"
            )
    return Spec(stride, reach)  # type: ignore[arg-type]


@lru_cache(maxsize=1)
def _brought() -> dict[str, Sequence[EntryPoint]]:
    """Entry points of installed packages by name, as they were when this was first asked."""
    found: dict[str, list[EntryPoint]] = {}
    for point in entry_points(group=GROUP):
        if _NAME.fullmatch(point.name) and point.name not in BUILT_IN and point.name not in RESERVED:
            found.setdefault(point.name, []).append(point)
    return {name: tuple(points) for name, points in found.items()}


def _import(name: str, points: Sequence[EntryPoint]) -> Architecture:
    """Import what a package brings; it may register the name itself, and state stride and reach by that."""
    where = " and ".join(f"package {point.dist.name if point.dist else '?'} ({point.value})" for point in points)
    if len({point.value for point in points}) > 1:
        raise ModelError(f"network {name!r} is brought by {where}: uninstall all but one of them")
    try:
        factory = points[0].load()
    # Whatever the package's modules raise.
    except Exception as error:
        raise ModelError(
            f"network {name!r} of {where} cannot be imported: {type(error).__name__}: {error}; install what it needs, "
            "or another version of it"
        ) from error
    if name not in _registered:
        try:
            register_model(name, factory)
        except TypeError as error:
            raise ModelError(f"network {name!r} of {where} cannot be used: {error}") from error
    return _registered[name]
