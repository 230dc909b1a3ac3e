"""Whether a network is local, from what becomes NaN.

One part of the input is NaN, and the outputs that become NaN depend on it: 0 times NaN is NaN, so this holds also
through dead ReLUs and maxima not taken. In float64, since fast float32 convolutions may spread a NaN over their tile.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from functools import partial
from typing import Final

import torch
from torch import Tensor, nn

from insarflow.errors import ModelError
from insarflow.segment.windows import round_up

FAILURES: Final = (RuntimeError, ValueError, TypeError, IndexError, AssertionError)
"""What a network may raise at an input that it cannot take."""

_WAY_OUT: Final = 'use mode="blend"'


def check_local(probe: nn.Module, *, channels: int, windows: int, patch: int) -> None:
    """Refuse a network whose output at a pixel changes with far input.

    Parameters
    ----------
    probe
        From `probe_of`.
    channels
        Input channels.
    windows
        Pixels that all windows span in a row.
    patch
        An input size that the network takes.

    Raises
    ------
    ModelError
        Naming the innermost module that looks at the whole tile.
    """
    width = _accepted_width(probe, channels, patch)
    # A network that is local mostly shows it in the first; no network of use looks farther than the last.
    sizes = [round_up((128 + 2 * windows) * k, width) for k in (1, 4, 16)]
    for axis in (-2, -1):
        if not any(_is_local(probe, _strip(channels, width, size), axis) for size in sizes):
            layer = _first_global(probe, _strip(channels, width, sizes[-1]), axis)
            raise ModelError(
                f"{layer} cannot be made local and still looks at the whole tile: if it is a mean over y and x, write "
                f"it as a module insarflow.learn.models.whole.SpatialMean; otherwise {_WAY_OUT}"
            )


def probe_of(module: nn.Module) -> nn.Module:
    """A copy in float64, evaluation mode, on the processor."""
    return copy.deepcopy(module).cpu().double().eval()


def run(probe: nn.Module, x: Tensor) -> Tensor:
    """Output ``(batch, class, y, x)`` of a network that may give a dict with ``"out"``.

    Raises
    ------
    ModelError
        If it gives anything else, or another height or width than the input's.
    """
    with torch.inference_mode():
        out = probe(x)
    out = out["out"] if isinstance(out, dict) and "out" in out else out
    if not isinstance(out, Tensor) or out.ndim != 4 or out.shape[-2:] != x.shape[-2:]:
        given = tuple(out.shape) if isinstance(out, Tensor) else type(out).__name__
        raise ModelError(
            f"{_kind(probe)} must give (batch, class, y, x) of its input's size {tuple(x.shape)}, instead got {given}: "
            "wrap it in a module that does"
        )
    return out


def channels_of(module: nn.Module, channels: int | None) -> int:
    """Input channels: those given, or those of the first convolution.

    Raises
    ------
    TypeError, ValueError
        If `module` is no network or `channels` no whole number of 1 or more.
    ModelError
        If they are not given and there is no convolution.
    """
    if not isinstance(module, nn.Module):
        raise TypeError(f"module must be a torch.nn.Module, instead got module={module!r:.80} ({_kind(module)})")
    if channels is not None:
        check_count(channels, "channels", "the number of input channels, 1 or more")
        return channels
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d):
            return layer.in_channels
    raise ModelError(f"{_kind(module)} has no convolution that tells its number of input channels: give channels=")


def check_count(value: int, name: str, what: str) -> None:
    """Refuse what is no whole number of 1 or more.

    Raises
    ------
    TypeError, ValueError
        Naming it.
    """
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} must be {what}, instead got {name}={value!r} ({_kind(value)})")
    if value < 1:
        raise ValueError(f"{name} must be {what}, instead got {name}={value}")


def _touched(probe: nn.Module, strip: Tensor, axis: int) -> Tensor:
    """Which columns of the output hold NaN."""
    return _along(run(probe, _along(strip, axis)), axis).isnan().any(2).any(1)[0]


def _accepted_width(probe: nn.Module, channels: int, patch: int) -> int:
    """A narrow width, multiples of which the network takes along both axes."""
    for width in (32, patch):
        x = torch.zeros(1, channels, width, 2 * width, dtype=torch.float64)
        try:
            run(probe, x)
            run(probe, x.mT.contiguous())
        except FAILURES as error:
            refusal = error
        else:
            return width
    raise ModelError(
        f"{_kind(probe)} must take tiles larger than the patch, but refuses {patch} x {2 * patch} pixels: {_WAY_OUT}"
    ) from refusal


def _strip(channels: int, width: int, length: int) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(1, channels, width, length, generator=generator, dtype=torch.float64)


def _is_local(probe: nn.Module, strip: Tensor, axis: int) -> bool:
    """Whether a column changes nothing at the ends of a strip, and its first quarter nothing at the last column."""
    missing, changed, quarter = strip.clone(), strip.clone(), strip.shape[-1] // 4
    missing[..., strip.shape[-1] // 2] = torch.nan
    touched = _touched(probe, missing, axis)
    if bool(touched[0] | touched[-1]):
        return False
    # A network may hide NaN from itself, but not that the far end is another one.
    changed[..., :quarter] = 10.0 * changed[..., :quarter].flip(-1) + 1.0
    before, after = (_along(run(probe, _along(x, axis)), axis) for x in (strip, changed))
    return bool((before - after)[..., -1].abs().max() <= 1e-9 * before.abs().max())


def _first_global(probe: nn.Module, strip: Tensor, axis: int) -> str:
    """The first module to finish whose output is NaN everywhere while no input was: path and type."""
    found: list[str] = []

    def look(path: str, layer: nn.Module, given: object, out: object) -> None:
        if not found and _all_missing(out) and not any(map(_is_missing, _tensors(given))):
            found.append(f"{path} ({_kind(layer)})" if path else _kind(layer))

    strip[..., strip.shape[-1] // 2] = torch.nan
    with_hooks(probe, look, lambda: run(probe, _along(strip, axis)))
    return found[0] if found else _kind(probe)


def with_hooks(
    module: nn.Module, look: Callable[[str, nn.Module, object, object], None], work: Callable[[], Tensor]
) -> Tensor:
    """Do `work` while each module tells `look` its path, itself, its inputs and its output as it finishes."""
    hooks = [layer.register_forward_hook(partial(look, path)) for path, layer in module.named_modules()]
    try:
        return work()
    finally:
        for hook in hooks:
            hook.remove()


def _along(x: Tensor, axis: int) -> Tensor:
    return x if axis == -1 else x.mT.contiguous()


def _all_missing(value: object) -> bool:
    tensors = list(_tensors(value))
    return bool(tensors) and all(map(_is_missing, tensors))


def _is_missing(tensor: Tensor) -> bool:
    return bool(tensor.isnan().all())


def _tensors(value: object) -> Iterable[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, dict | list | tuple):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _tensors(part)


def _kind(value: object) -> str:
    return type(value).__name__
