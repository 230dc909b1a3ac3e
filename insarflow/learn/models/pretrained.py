"""Published weights from a local file, into a network of the package or of one's own.

Nothing is fetched. A file is looked at before it is believed: its size is bounded, names, shapes and kinds of its
tensors are compared with the network's before any value is used, and nothing of the network changes unless all fits.
This is the only place that reads what ``torch.save`` has written, and of it nothing but tensors.
"""

from __future__ import annotations

import os
import pickle
import warnings
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from insarflow.errors import ModelError
from insarflow.learn.models.network import Network
from insarflow.learn.tensors import check_finite, check_start

MAX_BYTES: Final = 1 << 30
"""Of a file, and of what a compressed one holds: eight times a ResNet-50 with its head."""

WRAPPER: Final = "model."
"""What the keys of weights begin with that were trained by ISSLIDE's script."""

TRUNK: Final = "backbone."
"""What the keys of a trunk begin with, and those of weights for ImageNet do not."""

_AUXILIARY: Final = "aux_classifier."
_IMAGENET: Final = "fc."
"""Layers that published weights have for their training or for ImageNet, and a network may lack."""

_COUNTER: Final = ".num_batches_tracked"
_SAVE: Final = "where it came from, save torch.save(network.state_dict(), path), or safetensors"


def load_pretrained(network: nn.Module, path: str | Path) -> tuple[str, ...]:
    """Give a network the weights of a file, all that fit.

    Parameters
    ----------
    network
        Changed in place; not at all if an error is raised. An `insarflow.learn.models.Network`, or any other, whose
        last layer then is the last one that has weights.
    path
        Of a safetensors file, or of a state dict that ``torch.save`` wrote. Keys are the network's; or each begins with
        ``model.``, as ISSLIDE's script wraps its networks; or they are those of a trunk alone, as a ResNet-50 trained
        on ImageNet has them.

    Returns
    -------
    tuple of str
        Keys of what was left as it was, in order: last layers, if the file has another number of classes; the first
        convolution, if it has another number of channels; everything beyond the trunk, if the file holds a trunk alone.

    Raises
    ------
    TypeError
        If an argument is of another kind.
    ModelError
        If there is no such file; if it is larger than 1 GiB, damaged, or holds anything but tensors by name, as a whole
        network that was pickled does; if a weight is not finite; or if these are the weights of another network, naming
        the first key that differs, what it must be and what it is.

    Notes
    -----
    An auxiliary classifier and a classifier of ImageNet are passed over where the network has none; so are counters of
    batches, which old files lack. Numbers of other precision are converted.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from insarflow.learn.models import build_model
    >>> with TemporaryDirectory() as folder:
    ...     torch.save(build_model("resunet", 2).state_dict(), f"{folder}/weights.pt")
    ...     load_pretrained(build_model("resunet", 3), f"{folder}/weights.pt")
    ('encoder_high.0.weight', 'encoder_high.0.bias')
    """
    if not isinstance(network, nn.Module):
        raise TypeError(f"network must be a torch.nn.Module, instead got {type(network).__name__}")
    if not isinstance(path, str | os.PathLike):
        raise TypeError(f"path must be the path of a file, instead got path={path!r:.80} ({type(path).__name__})")
    file = Path(path)
    own = network.state_dict()
    for key, mine in own.items():
        if not isinstance(mine, Tensor) or mine.is_meta:
            raise ModelError(f"network must hold plain tensors with values, but {key!r:.80} of its state is none")
    left, found = _fitting(_Weights.named(_read(file), own), own, network, str(file))
    check_finite(found, str(file))
    with torch.no_grad():
        for key, value in found.items():
            own[key].copy_(value)
    return left


# what a file holds ----------------------------------------------------------------------------------------------------


def _read(file: Path) -> dict[str, Tensor]:
    """Tensors of a file, by name."""
    if not file.is_file():
        raise ModelError(f"path must be a file of weights, instead got path={str(file)!r}, which is none")
    if file.stat().st_size > MAX_BYTES:
        raise ModelError(f"{file} must have at most {MAX_BYTES} bytes, instead got {file.stat().st_size}")
    with file.open("rb") as stream:
        start = stream.read(9)
        # A safetensors header of 128 bytes also starts with a pickle's 0x80.
        if start[8:] == b"{" or not start.startswith((b"PK", b"\x80")):
            stream.seek(0)
            check_start(stream, str(file))
            return _safetensors(file)
    return _torch(file)


def _safetensors(file: Path) -> dict[str, Tensor]:
    try:
        return safetensors.torch.load_file(file)
    except (SafetensorError, KeyError, ValueError, RuntimeError) as error:
        raise ModelError(f"{file} is damaged: {error}") from error


def _torch(file: Path) -> dict[str, Tensor]:
    """What ``torch.save`` wrote; code in it is never run."""
    _check_zip(file)
    try:
        with warnings.catch_warnings():
            # torch tells of what it will refuse, and the error does, too.
            warnings.simplefilter("ignore")
            found = torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise ModelError(
            f"{file} must hold tensors by name, but holds objects whose loading can run code, as a whole network does: "
            f"{_SAVE}"
        ) from error
    # Whatever a damaged or hostile file makes torch raise.
    except Exception as error:
        raise ModelError(f"{file} cannot be read: {type(error).__name__}: {str(error)[:200]}; {_SAVE}") from error
    if not isinstance(found, Mapping):
        raise ModelError(f"{file} must hold tensors by name, instead got {type(found).__name__}: {_SAVE}")
    for key, value in found.items():
        if not isinstance(key, str) or not _is_plain(value):
            raise ModelError(
                f"{file} must hold tensors by name, instead got {key!r:.80} of {type(value).__name__}: {_SAVE}"
            )
    return {key: value.detach() for key, value in found.items()}


def _is_plain(value: object) -> bool:
    """Whether it is a tensor of values, all of them in memory."""
    return (
        isinstance(value, Tensor)
        and value.layout == torch.strided
        and value.device.type == "cpu"
        and not value.is_quantized
    )


def _check_zip(file: Path) -> None:
    """Refuse an archive that grows when it is opened (torch itself compresses nothing), or whose sums are wrong."""
    if not zipfile.is_zipfile(file):
        return
    try:
        with zipfile.ZipFile(file) as archive:
            inside = sum(entry.file_size for entry in archive.infolist())
            if inside > MAX_BYTES:
                raise ModelError(
                    f"{file} must hold at most {MAX_BYTES} bytes, instead got {inside} when it is unpacked"
                )
            # torch looks at no sum, and takes what was damaged on its way for weights.
            broken = archive.testzip()
    except (zipfile.BadZipFile, OSError, ValueError, RuntimeError, zlib.error) as error:
        raise ModelError(f"{file} is damaged: {error}") from error
    if broken is not None:
        raise ModelError(f"{file} is damaged: {broken!r:.80} is not what its checksum says; get the file again")


# what of it fits ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Weights:
    """Tensors by the network's names, and whether they are those of its trunk alone."""

    tensors: dict[str, Tensor]
    trunk_alone: bool

    @classmethod
    def named(cls, found: dict[str, Tensor], own: Iterable[str]) -> _Weights:
        """Without what a wrapper put before each key; of a trunk alone, with the trunk's name before each."""
        keys = {*own}
        if found and all(key.startswith(WRAPPER) for key in found) and not keys & found.keys():
            found = {key.removeprefix(WRAPPER): value for key, value in found.items()}
        trunk = {key for key in keys if key.startswith(TRUNK)}
        alone = not trunk & found.keys() and bool(trunk & {TRUNK + key for key in found})
        return cls({TRUNK + key: value for key, value in found.items()} if alone else found, alone)

    def passed_over(self, key: str) -> bool:
        """Whether it belongs to a layer that a network may lack."""
        return key.startswith(TRUNK + _IMAGENET) if self.trunk_alone else key.startswith(_AUXILIARY)


def _fitting(
    weights: _Weights, own: Mapping[str, Tensor], network: nn.Module, label: str
) -> tuple[tuple[str, ...], dict[str, Tensor]]:
    """Keys that are left as they are, and what the others get."""
    found, left, fitting = weights.tensors, [], {}
    other_channels, last = _other_channels(network, found, own), _last(network)
    for key, mine in own.items():
        theirs, layer = found.get(key), key.rpartition(".")[0]
        if theirs is None:
            if weights.trunk_alone and not key.startswith(TRUNK):
                left.append(key)
            elif not key.endswith(_COUNTER):
                raise ModelError(_difference(key, mine, None, network, found, label))
        elif key in other_channels or (layer in last and _differs_along(0, theirs, mine)):
            left.append(key)
        elif theirs.shape != mine.shape or theirs.is_floating_point() != mine.is_floating_point():
            raise ModelError(_difference(key, mine, theirs, network, found, label))
        else:
            fitting[key] = theirs
    for key, theirs in found.items():
        if key not in own and not weights.passed_over(key):
            raise ModelError(_difference(key, None, theirs, network, found, label))
    return tuple(left), fitting


def _other_channels(network: nn.Module, found: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> tuple[str, ...]:
    """Keys of the first convolution, if the file has it with another number of channels."""
    first = next((name for name, layer in network.named_modules() if isinstance(layer, nn.Conv2d)), "")
    weight, bias = f"{first}.weight", f"{first}.bias"
    return (weight, bias) if _differs_along(1, found.get(weight), own.get(weight)) else ()


def _last(network: nn.Module) -> tuple[str, ...]:
    """The last layers, whose sizes depend on the number of classes."""
    if isinstance(network, Network):
        return network.heads
    return tuple(name for name, layer in network.named_modules() if [*layer.parameters(recurse=False)])[-1:]


def _differs_along(axis: int, theirs: Tensor | None, mine: Tensor | None) -> bool:
    """Whether two tensors have as many elements along every axis but this."""
    if theirs is None or mine is None or theirs.ndim != mine.ndim or mine.ndim <= axis:
        return False
    return [k for k in range(mine.ndim) if theirs.shape[k] != mine.shape[k]] == [axis]


def _difference(
    key: str, mine: Tensor | None, theirs: Tensor | None, network: nn.Module, found: Mapping[str, Tensor], label: str
) -> str:
    begins = f", which begins with {next(iter(found))!r:.80}" if found else ", which is empty"
    return (
        f"{label} must hold the weights of {type(network).__name__}: tensor {key!r:.80} must be {_words(mine)}, "
        f"instead got {_words(theirs)} in the file{begins}: give it to the network that it was saved from"
    )


def _words(tensor: Tensor | None) -> str:
    return "absent" if tensor is None else f"{str(tensor.dtype).removeprefix('torch.')} {tuple(tensor.shape)!s:.80}"
