"""One loaded model per process and device, one call at a time."""

from __future__ import annotations

import threading
from functools import lru_cache

import numpy as np
import torch

from insarflow.learn.models import Network
from insarflow.learn.weights import ModelRef, load_model

# torch uses all cores, or the whole device, by itself: dask's threads take turns. One lock for all devices, since
# the precision of cuDNN is a setting of the process.
_TURN = threading.Lock()


def check_device(device: str | None) -> None:
    """Refuse a device that is not here.

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
    if device is not None and device not in here:
        raise ValueError(f"device must be one of {here} or None (the fastest), instead got device={device!r}")


def predict(model: ModelRef, x: np.ndarray, *, device: str | None) -> np.ndarray:
    """Predict the probabilities of a batch, in float32 throughout.

    Parameters
    ----------
    model
        Loaded on first use, then kept.
    x
        float32, shape ``(batch, channel, y, x)``.
    device
        Where to; by default the fastest that is here.

    Returns
    -------
    ndarray
        float32, shape ``(batch, y, x)``, 0..1.

    Raises
    ------
    ModelError
        If the model cannot be loaded.
    ValueError
        If the device is not here.
    MemoryError
        If the batch does not fit on the device.
    """
    check_device(device)
    place = torch.device(device or _devices()[-1])
    with _TURN, torch.inference_mode(), torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
        network = _network(model, place)
        try:
            batch = torch.from_numpy(x).to(place, memory_format=torch.channels_last)
            out: np.ndarray = torch.sigmoid(network(batch)[:, 0]).cpu().numpy()
        except torch.OutOfMemoryError as error:
            raise MemoryError(f"a batch of shape {x.shape} does not fit on {place}: lower tile_size") from error
    return out


@lru_cache(maxsize=4)
def _network(model: ModelRef, place: torch.device) -> Network:
    network, _ = load_model(model)
    return network.to(place, memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


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
