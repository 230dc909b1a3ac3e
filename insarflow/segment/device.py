"""One loaded model per process, device and precision; one call at a time on each device."""

from __future__ import annotations

import copy
import math
import os
import re
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final

import numpy as np
import torch
from torch import Tensor, nn

from insarflow.errors import ModelError
from insarflow.learn.model_files import model_size
from insarflow.learn.models.registry import replacements
from insarflow.learn.phase import CHANNELS, encode_codes
from insarflow.learn.weights import ModelRef, load_model
from insarflow.segment.adjustment import AS_IT_IS, Adjustment
from insarflow.segment.own import OwnModule
from insarflow.segment.whole_tile.local import localise
from insarflow.types import Precision

# Layers' outputs in large pages, where Linux has them (read before torch makes its first tensor): a network then takes
# half to three quarters of the time, since the C library gives each of them back and faults in every page anew.
os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")


@dataclass(frozen=True)
class Predictor:
    """A network as a task graph carries it, and how it is run: a few hundred bytes.

    Attributes
    ----------
    source
        What to load, or a module of the caller's.
    channels
        What of `insarflow.learn.phase.CHANNELS` it takes, in its order.
    logits
        Whether it gives logits; else probabilities.
    precision
        See `insarflow.types.Precision`.
    patch
        Side of the windows, pixels, from which layers that look at the whole tile take their statistics; 0 if they
        look at the tile.
    offsets
        Number of constants added to the phase, evenly over a turn; their results are averaged.
    adjustment
        What its card asks for beside it.
    """

    source: ModelRef | OwnModule
    channels: tuple[str, ...] = CHANNELS
    logits: bool = True
    precision: Precision = "exact"
    patch: int = 0
    offsets: int = 1
    adjustment: Adjustment = AS_IT_IS

    @property
    def dtype(self) -> np.dtype:
        """Of what comes out: float32 probabilities, or complex64, mean and standard deviation over the offsets."""
        return np.dtype(np.float32 if self.offsets == 1 else np.complex64)

    @property
    def size(self) -> int:
        """Bytes of the weights as they are kept."""
        if isinstance(self.source, ModelRef):
            return model_size(self.source)
        return sum(tensor.nbytes for tensor in self.source.module.state_dict().values())


@dataclass(frozen=True)
class Codes:
    """A batch of images as the codes of a store; see `insarflow.learn.phase.encode_codes`."""

    phase: np.ndarray
    coherence: np.ndarray
    missing: int

    @property
    def shape(self) -> tuple[int, ...]:
        """``(batch, y, x)``."""
        return self.phase.shape

    def __len__(self) -> int:
        return len(self.phase)

    def __getitem__(self, part: slice) -> Codes:
        return Codes(self.phase[part], self.coherence[part], self.missing)


def check_device(device: str | None, *, elsewhere: bool = False) -> None:
    """Refuse a device that is not here; or `elsewhere`, where workers compute, only what is none.

    Raises
    ------
    TypeError
        If `device` is neither text nor None.
    ValueError
        If it names no device, or one that is not here.
    """
    if device is not None and not isinstance(device, str):
        raise TypeError(f"device must be a text or None, instead got device={device!r} ({type(device).__name__})")
    here = _devices()
    if elsewhere and device is not None and re.fullmatch(r"cuda(:\d+)?", device):
        return
    if device is not None and device not in here:
        raise ValueError(f"device must be one of {here} or None (the fastest), instead got device={device!r}")


def predict(predictor: Predictor, x: np.ndarray | Codes, *, device: str | None) -> np.ndarray:
    """Predict the probabilities of a batch.

    Parameters
    ----------
    predictor
        Loaded on first use, then kept.
    x
        float32, shape ``(batch, y, x, channel)``, channels as `insarflow.learn.phase.CHANNELS`; or codes, of which they
        are made on the device.
    device
        Where to; by default the fastest that is here.

    Returns
    -------
    ndarray
        Shape ``(batch, y, x)``. float32: the probability, 0..1. With several offsets complex64: its mean over them
        and, as imaginary part, its standard deviation.

    Raises
    ------
    ModelError
        If the model cannot be loaded, fails, or gives something of another shape; or the device fails.
    ValueError
        If the device is not here.
    MemoryError
        If not even one of the batch fits on the device; larger batches are halved until they fit.
    """
    check_device(device)
    place = torch.device(device or _devices()[-1])
    with alone(place):
        module = _loaded(replace(predictor, offsets=1, adjustment=AS_IT_IS), place, replacements())
        try:
            return _halving(module, predictor, x, place)
        except MemoryError:
            raise
        except RuntimeError as error:
            raise ModelError(
                f"{_name(predictor)} failed on {place} with a batch of shape {x.shape}: {error}; what is written "
                "stays, and the same call goes on from there"
            ) from error


_TURNS: Final[defaultdict[str, threading.Lock]] = defaultdict(threading.Lock)
"""torch uses all cores, or the whole device, by itself: dask's threads take turns."""


@contextmanager
def alone(place: torch.device) -> Iterator[None]:
    """Be the only one to predict on a device, in true float32."""
    with _TURNS[str(place)], torch.inference_mode(), true_float32():
        yield


def _halving(module: nn.Module, predictor: Predictor, x: np.ndarray | Codes, place: torch.device) -> np.ndarray:
    try:
        batch = _on_device(x, place)
        found: np.ndarray = _outputs(module, predictor, batch).cpu().numpy()
    except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
        if not _is_full(error):
            raise
        if len(x) == 1:
            raise MemoryError(f"a batch of shape {x.shape} does not fit on {place}: lower tile_size") from error
    else:
        return found
    half = len(x) // 2
    return np.concatenate([_halving(module, predictor, part, place) for part in (x[:half], x[half:])])


def _on_device(x: np.ndarray | Codes, place: torch.device) -> Tensor:
    if isinstance(x, Codes):
        phase, coherence = (torch.from_numpy(codes).to(place) for codes in (x.phase, x.coherence))
        return encode_codes(phase, coherence, missing=x.missing)
    return torch.from_numpy(x).permute(0, 3, 1, 2).to(place)


def _is_full(error: BaseException) -> bool:
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or "allocate memory" in str(error)


def _outputs(module: nn.Module, predictor: Predictor, x: Tensor) -> Tensor:
    """Mean, and with several offsets standard deviation (of the population), one pass after the other."""
    x = x[:, [CHANNELS.index(c) for c in predictor.channels]] if predictor.channels != CHANNELS else x
    if predictor.offsets == 1:
        return _probability(module, predictor, x)
    mean = torch.zeros(())
    squares = torch.zeros(())
    for k in range(predictor.offsets):
        p = _probability(module, predictor, _turned(x, predictor.channels, 2 * math.pi * k / predictor.offsets))
        step = p - mean
        mean = mean + step / (k + 1)
        squares = squares + step * (p - mean)
    return torch.complex(mean, torch.sqrt(squares / predictor.offsets))


def _turned(x: Tensor, channels: tuple[str, ...], angle: float) -> Tensor:
    """The channels with `angle` (rad) added to the phase."""
    cos, sin = channels.index("cos"), channels.index("sin")
    turned = x.clone()
    turned[:, cos] = x[:, cos] * math.cos(angle) - x[:, sin] * math.sin(angle)
    turned[:, sin] = x[:, sin] * math.cos(angle) + x[:, cos] * math.sin(angle)
    return turned


def _probability(module: nn.Module, predictor: Predictor, x: Tensor) -> Tensor:
    dtype = torch.bfloat16 if predictor.precision == "fast" else torch.float32
    out = module(predictor.adjustment.normalised(x).to(dtype).contiguous(memory_format=torch.channels_last))
    out = out["out"] if isinstance(out, dict) and "out" in out else out
    wanted = (len(x), 1, *x.shape[-2:])
    if not isinstance(out, Tensor) or out.shape != wanted:
        got = tuple(out.shape) if isinstance(out, Tensor) else type(out).__name__
        raise ModelError(f"{_name(predictor)} must give (batch, 1, y, x), {wanted} here, instead got {got}")
    first = out[:, 0].float()
    probability = predictor.adjustment.probability(first) if predictor.logits else first
    _check_range(probability, predictor)
    return probability


def _check_range(probability: Tensor, predictor: Predictor) -> None:
    lowest, highest = (float(value) for value in torch.aminmax(probability))
    if 0.0 <= lowest <= highest <= 1.0:
        return
    must = "must give numbers" if predictor.logits else "must give probabilities from 0 to 1"
    way_out = "look at its weights" if predictor.logits else "of a network that gives logits say output='logits'"
    raise ModelError(f"{_name(predictor)} {must}, instead got {lowest:g} to {highest:g}: {way_out}")


def _name(predictor: Predictor) -> str:
    return f"model {predictor.source.name!r}"


@lru_cache(maxsize=4)
def _loaded(predictor: Predictor, place: torch.device, _replaced: int) -> nn.Module:
    if isinstance(predictor.source, OwnModule):
        module = copy.deepcopy(predictor.source.module)
    else:
        module = load_model(predictor.source)[0]
    if predictor.patch:
        module = localise(module, predictor.patch, channels=len(predictor.channels))
    dtype = torch.bfloat16 if predictor.precision == "fast" else torch.float32
    return module.eval().to(place, dtype).to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


_gate = threading.Lock()
_users = 0
_before = (False, False)


@contextmanager
def true_float32() -> Iterator[None]:
    """No TF32, whatever the process has chosen; its choice comes back once nobody predicts any more."""
    global _users, _before
    with _gate:
        if _users == 0:
            _before = torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32
            torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
        _users += 1
    try:
        yield
    finally:
        with _gate:
            _users -= 1
            if _users == 0:
                torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32 = _before


def runs_on_gpu(device: str | None) -> bool:
    """Whether `predict` with this `device` leaves the processor free."""
    return (device or _devices()[-1]) != "cpu"


def gpu_facts() -> dict[str, str]:
    """Name of each CUDA device by its number, and ``cuda``, the version that torch was built with ("none" without)."""
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    names = {f"cuda:{k}": torch.cuda.get_device_name(k) for k in range(count)}
    return {"cuda": str(torch.version.cuda or "none"), **names}


def _devices() -> list[str]:
    """Devices that are here, the fastest last."""
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    return ["cpu", *(f"cuda:{k}" for k in range(count)), *(["cuda"] if count else [])]
