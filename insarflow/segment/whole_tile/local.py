"""Networks that look at the whole tile, made local: mode "patch"."""

from __future__ import annotations

import copy
from typing import Final

import torch
from torch import Tensor, nn

from insarflow.errors import ModelError
from insarflow.learn.models.whole import SpatialMean
from insarflow.segment.whole_tile.box import Box, BoxMax, BoxMean, BoxNorm, Sides
from insarflow.segment.whole_tile.locality import (
    FAILURES,
    channels_of,
    check_count,
    check_local,
    probe_of,
    run,
    with_hooks,
)

_ONE_CELL: Final = (1, (1, 1), [1, 1])


def localise(module: nn.Module, patch: int, *, channels: int | None = None) -> nn.Module:
    """Let each layer that looks at the whole tile look at the training patch around each pixel instead.

    Parameters
    ----------
    module
        Network that maps ``(batch, channel, y, x)`` to ``(batch, class, y, x)``, or to a dict with that as ``"out"``.
        It is left as it is.
    patch
        Side of the patches that it was trained on, pixels.
    channels
        Input channels; by default those of the first convolution.

    Returns
    -------
    torch.nn.Module
        A changed copy in evaluation mode. `insarflow.reach` tells how far it looks.

    Raises
    ------
    TypeError, ValueError
        If an argument is of a wrong kind.
    ModelError
        If the network does not take patches of that size, if what follows a layer cannot take a map in place of one
        value, or if something still looks at the whole tile, with the name of the layer.

    Notes
    -----
    Exchanged are ``AdaptiveAvgPool2d(1)``, ``AdaptiveMaxPool2d(1)``, `SpatialMean`, ``GroupNorm``, ``InstanceNorm2d``
    without running statistics and ``LayerNorm`` over (channel, y, x) with the same weights at each cell. In a
    ``Sequential``, what follows as ``Flatten``, ``Linear``, ``BatchNorm1d``, ``Unflatten`` is applied cell by cell.

    A layer that has n cells along an axis of a patch gets boxes of ``2 * (n // 2) + 1`` cells, cut to the image. So

    - where a box holds the whole of a patch-sized map (at its middle cell n // 2), it gives the layer's own statistic;
    - images of up to ``n // 2 + 1`` cells in every layer, about half a patch, give the network's own output;
    - where a layer's statistic does not vary between boxes, nor does its output differ from the network's own.

    The copy is tried before it is given away: on one patch with boxes that hold all of it, it must give the network's
    own output; and with the boxes of their size, far input must change nothing.

    Examples
    --------
    >>> squeeze = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.GroupNorm(2, 4), nn.Conv2d(4, 1, 1))
    >>> localise(squeeze, 32)[1]
    BoxNorm(box=33 x 33)
    """
    check_count(patch, "patch", "the side of the training patches in pixels, 1 or more")
    channels, probe = channels_of(module, channels), probe_of(module)
    x = torch.randn(1, channels, patch, patch, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    own, cells = _cells(probe, x)
    _exchange(probe, {path: (ny - 1, nx - 1) for path, (ny, nx) in cells.items()})
    _check_same(probe, x, own, list(cells))
    boxes = {path: (ny // 2, nx // 2) for path, (ny, nx) in cells.items()}
    for path, sides in boxes.items():
        _box(probe, path).sides = sides
    # A box reaches half of the patch, rounded up to whole cells.
    windows = sum(max(n // 2 * -(-patch // n) for n in size) for size in cells.values())
    check_local(probe, channels=channels, windows=windows, patch=patch)
    local = copy.deepcopy(module)
    _exchange(local, boxes)
    return local


def _cells(probe: nn.Module, x: Tensor) -> tuple[Tensor, dict[str, Sides]]:
    """The network's own output for a patch, and how many cells each layer that is exchanged has of it."""
    seen: dict[nn.Module, set[Sides]] = {}

    def look(path: str, layer: nn.Module, given: object, out: object) -> None:
        if isinstance(given, tuple) and len(given) == 1 and isinstance(given[0], Tensor) and given[0].ndim == 4:
            seen.setdefault(layer, set()).add((given[0].shape[-2], given[0].shape[-1]))

    patch = x.shape[-1]
    try:
        own = with_hooks(probe, look, lambda: run(probe, x))
    except FAILURES as error:
        raise ModelError(
            f"patch must be a size that {type(probe).__name__} takes, instead got patch={patch}: {error}"
        ) from error
    cells = {}
    for path, layer in probe.named_modules(remove_duplicate=False):
        if path and layer in seen and _twin(path, layer) is not None:
            if len(seen[layer]) > 1:
                raise ModelError(
                    f"{path} ({type(layer).__name__}) is used on maps of {sorted(seen[layer])} cells, and one layer "
                    "has one box: give each map a layer of its own"
                )
            cells[path] = next(iter(seen[layer]))
    return own, cells


def _check_same(probe: nn.Module, x: Tensor, own: Tensor, paths: list[str]) -> None:
    """Boxes that hold all of a patch must change nothing: then what follows the layers takes maps as it took values."""
    wanted = (
        f"what follows {', '.join(paths)} in {type(probe).__name__} must take a map of y and x in place of one value, "
        "as 1 x 1 convolutions do"
    )
    way_out = 'keep each mean and what follows it in one nn.Sequential that ends in nn.Unflatten, or use mode="blend"'
    try:
        out = run(probe, x)
    except (*FAILURES, ModelError) as error:
        raise ModelError(f"{wanted}, but it fails: {error}; {way_out}") from error
    if out.shape != own.shape or not torch.allclose(out, own, rtol=1e-5, atol=1e-5 * float(own.abs().max())):
        raise ModelError(f"{wanted}, but gives another result; {way_out}")


def _exchange(root: nn.Module, boxes: dict[str, Sides]) -> None:
    """Put the local twin in place of each layer, and make what follows in a Sequential work cell by cell."""
    for path, sides in boxes.items():
        box = _twin(path, root.get_submodule(path))
        if box is None:
            continue
        box.sides = sides
        parent_path, _, name = path.rpartition(".")
        parent = root.get_submodule(parent_path)
        setattr(parent, name, box)
        if isinstance(parent, nn.Sequential) and not isinstance(box, BoxNorm):
            _follow(parent, list(parent).index(box) + 1)
    root.eval()


def _twin(path: str, layer: nn.Module) -> Box | None:
    """The layer over a box, of no size yet; None if the layer is no whole-tile layer that has one."""
    match layer:
        case SpatialMean():
            return BoxMean()
        case nn.AdaptiveAvgPool2d() if layer.output_size in _ONE_CELL:
            return BoxMean()
        case nn.AdaptiveMaxPool2d() if layer.output_size in _ONE_CELL and not layer.return_indices:
            return BoxMax()
        case nn.GroupNorm():
            return BoxNorm(layer.num_groups, layer.weight, layer.bias, layer.eps)
        case nn.InstanceNorm2d() if layer.running_mean is None:
            return BoxNorm(layer.num_features, layer.weight, layer.bias, layer.eps)
        case nn.LayerNorm() if len(layer.normalized_shape) == 3:
            weight, bias = (_per_channel(path, w) for w in (layer.weight, layer.bias))
            return BoxNorm(1, weight, bias, layer.eps)
    return None


def _per_channel(path: str, weight: Tensor | None) -> Tensor | None:
    if weight is None:
        return None
    if not torch.equal(weight, weight[:, :1, :1].expand_as(weight)):
        raise ModelError(
            f"{path} (LayerNorm) has other weights at each cell, so it depends on where in its patch a pixel lies: "
            'use nn.GroupNorm(1, channels), whose weights do not, or mode="blend"'
        )
    return weight[:, 0, 0]


def _follow(layers: nn.Sequential, start: int) -> None:
    """Apply cell by cell what flattened the mean and came after it."""
    flat = False
    for k in range(start, len(layers)):
        layer = layers[k]
        if isinstance(layer, nn.Flatten):
            flat = True
            layers[k] = nn.Identity()
        elif flat and isinstance(layer, nn.Linear):
            layers[k] = _pointwise(layer)
        elif flat and isinstance(layer, nn.BatchNorm1d) and layer.running_mean is not None:
            layers[k] = _batch_norm(layer)
        elif flat and isinstance(layer, nn.Unflatten):
            layers[k] = nn.Identity()
            return


def _pointwise(linear: nn.Linear) -> nn.Conv2d:
    bias = linear.bias is not None
    # On meta no weights are drawn, so the caller's random numbers stay as they are.
    conv = nn.Conv2d(linear.in_features, linear.out_features, 1, bias=bias, device="meta")
    conv.weight = nn.Parameter(linear.weight.detach()[:, :, None, None], requires_grad=False)
    if bias:
        conv.bias = nn.Parameter(linear.bias.detach(), requires_grad=False)
    return conv


def _batch_norm(flat: nn.BatchNorm1d) -> nn.BatchNorm2d:
    layer = nn.BatchNorm2d(flat.num_features, flat.eps, affine=flat.affine).to(flat.running_mean)
    layer.load_state_dict(flat.state_dict())
    return layer


def _box(root: nn.Module, path: str) -> Box:
    box = root.get_submodule(path)
    if not isinstance(box, Box):
        raise TypeError(f"{path} must be a Box, instead got {type(box).__name__}")
    return box
