"""Probability of movement over a whole region, block by block."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import dask.array as da
import numpy as np
import xarray as xr

from insarflow.errors import RecipeWarning, SchemaError
from insarflow.ops.cells import present_cells
from insarflow.ops.overlap import map_windows
from insarflow.schema import SPACE, describe, recipe_of, require
from insarflow.segment.blocks import Tiling, predict_images
from insarflow.segment.chosen import Chosen, ModelLike, choose
from insarflow.segment.device import Predictor, check_device
from insarflow.segment.domain import check_domain
from insarflow.segment.images import Images, masked
from insarflow.segment.masks import Masks, check_masks
from insarflow.segment.seams import stated_errors
from insarflow.segment.workers import current_client, send_model
from insarflow.types import Mode, Output, Precision, Tile

TILE = 1024
"""Default side of the square whose pixels are predicted at once."""


def segment(
    ds: xr.Dataset,
    model: ModelLike = "default",
    *,
    device: str | None = None,
    tile_size: int = TILE,
    channels: Sequence[str] | None = None,
    stride: int | None = None,
    output: Output = "logits",
    precision: Precision = "exact",
    mode: Mode | None = None,
    patch: int | None = None,
    offsets: int = 1,
    mask: Masks = (),
) -> xr.Dataset:
    """Add the probability that each pixel of each interferogram moves.

    Parameters
    ----------
    ds
        Stack with ``igram`` (complex) and ``coherence`` (0..1), both with the same dims ending in ``(y, x)``. Any
        chunks. NaN is missing.
    model
        Registered name, path of a ``.safetensors`` file with its card beside it, or a `torch.nn.Module` that maps
        float32 ``(batch, channel, y, x)`` to ``(batch, 1, y, x)``, or a mapping whose ``"out"`` is that. A module is
        copied, and run in evaluation mode.
    device
        ``"cpu"``, ``"cuda"``, ``"cuda:1"``; by default the fastest where the block is computed.
    tile_size
        As many pixels as a square of this side are predicted at once; bounds the memory. A multiple of the network's
        stride.
        Where a device is full, less is predicted at once.
    channels
        What a module takes, in its order: of ``coherence``, ``cos`` and ``sin`` of the phase; by default these three.
    stride
        Total stride of a module, pixels; by default as `insarflow.reach` finds it.
    output
        Whether a module gives logits or probabilities.
    precision
        ``"exact"``: float32 throughout, without TF32. ``"fast"``: bfloat16, but for the last step to probabilities;
        worth it only where the hardware has it. What that costs is measured on a simulated interferogram and stated in
        the attribute ``precision_error``.
    mode
        What is done about layers that look at the whole tile (global means, instance or group norms), which no halo
        makes seamless; must be given for networks that have some, and only for them. ``"patch"``: they take their
        statistics from a window of `patch` pixels around each pixel. ``"blend"``: the network runs on windows of
        `patch` pixels, half of which overlap, and their results are averaged with Gaussian weights. How much the result
        still depends on where windows lie is measured on a simulated interferogram, and is the attribute
        ``seam_error``.
    patch
        Side of the patches that the network was trained on, pixels; by default as the model's card tells.
    offsets
        Number of constants added to the phase, evenly over a turn, over whose results the probability is averaged; from
        2 on, ``probability_std`` is their standard deviation. Takes as many times as long.
    mask
        Boolean images ``(y, x)`` on the stack's grid, one or several: where one is True (water, layover), pixels are
        missing for the network and NaN in the result.

    Returns
    -------
    xarray.Dataset
        `ds` with the new variable ``probability`` (float32, 0..1), lazy if the input is, NaN exactly where
        ``igram`` or ``coherence`` is NaN or infinite or a mask is True, and with several `offsets`
        ``probability_std``. Its attributes name the model, the model's sha256, its threshold and peak, the precision,
        and in ``unknown`` what of the model's training data the stack does not tell, if anything. The recipe gains a
        step ``segment``.

    Raises
    ------
    TypeError
        If an argument is of a wrong type.
    ValueError
        If `device` is not here, `tile_size` is no positive multiple of the stride, or an argument makes no sense for
        this model.
    SchemaError
        If ``igram`` or ``coherence`` is missing or of a wrong kind.
    GridMismatchError
        If a mask lies on another grid.
    ModelError
        If the model cannot be used, or has a layer that looks at the whole tile and no `mode` is given; if it is one
        of clips or of series (`insarflow.learn.models.Spec`), with what to use instead; or if its answer would have no
        meaning: it needs other channels than the stack gives, or pixels of a size more than ten times apart from the
        stack's. On a dask cluster, if a module cannot be pickled.
    WorkerError
        If workers of a dask cluster cannot load the model.

    Warns
    -----
    RecipeWarning
        Once, naming all that differs between the data and the model's training data.

    Notes
    -----
    The result does not depend on chunks or `tile_size` (to float32 rounding): each part of the output is computed
    with a halo of at least the network's reach, on a window that lies on the network's pooling grid, and the region
    is filled to that grid with what missing pixels look like to the network.

    If a dask client is there when a lazy result is laid out, every worker, also one that starts later, is sent a model
    that it does not have: a module, pickled by dask among its own processes, or the bytes of files that it does not
    see. No graph holds weights, and no pickle is loaded from a file.
    """
    laid_out = lay_out_segment(
        ds, model, device=device, tile_size=tile_size, channels=channels, stride=stride, output=output,
        precision=precision, mode=mode, patch=patch, offsets=offsets, mask=mask,
    )  # fmt: skip
    client = current_client() if laid_out.ds["probability"].chunks else None
    if client is not None:
        send_model(client, laid_out.chosen.predictor.source)
    return laid_out.ds


@dataclass(frozen=True)
class LaidOut:
    """What `segment` returns, and how it is computed.

    Attributes
    ----------
    source
        The stack without probabilities.
    ds
        With them.
    """

    source: xr.Dataset
    ds: xr.Dataset
    chosen: Chosen
    tiling: Tiling
    device: str | None
    unknown: tuple[str, ...]

    def with_data(self, data: da.Array) -> xr.Dataset:
        """`ds` with these probabilities, computed in another way."""
        return _with_probability(
            self.source, self.source["igram"].transpose(..., *SPACE), data, self.chosen, self.unknown
        )


def lay_out_segment(
    ds: xr.Dataset,
    model: ModelLike,
    *,
    device: str | None,
    tile_size: int,
    channels: Sequence[str] | None,
    stride: int | None,
    output: Output,
    precision: Precision,
    mode: Mode | None,
    patch: int | None,
    offsets: int,
    mask: Masks,
) -> LaidOut:
    """Check everything and lay out the work; parameters as `segment`."""
    require(ds, "igram", "coherence", to="segment")
    igram, coherence = _images(ds)
    masks = check_masks(mask, ds)
    check_device(device, elsewhere=bool(igram.chunks) and current_client() is not None)
    chosen = choose(
        model, channels=channels, stride=stride, output=output, precision=precision, mode=mode, patch=patch,
        offsets=offsets,
    )  # fmt: skip
    _check_tile_size(tile_size, chosen.stride)
    unknown = _compare(ds, chosen)
    tiling = Tiling(chosen.stride, chosen.halo, tile_size, chosen.patch if chosen.mode == "blend" else 0)
    data = map_windows(
        predict_block,
        igram.data,
        coherence.data,
        *(one.data for one in masks),
        reads=(tiling.reads, tiling.reads),
        dtype=chosen.predictor.dtype,
        parts=False,
        present=present_cells(ds, "igram"),
        predictor=chosen.predictor,
        tiling=tiling,
        device=device,
    )
    return LaidOut(ds, _with_probability(ds, igram, data, chosen, unknown), chosen, tiling, device, unknown)


def _with_probability(
    ds: xr.Dataset, igram: xr.DataArray, data: np.ndarray | da.Array, chosen: Chosen, unknown: tuple[str, ...]
) -> xr.Dataset:
    """`ds` with what a model gave, described; `data` as of `predict_block`."""
    found = (
        {"probability": data} if data.dtype.kind == "f" else {"probability": data.real, "probability_std": data.imag}
    )
    new = {name: describe(xr.DataArray(values, dims=igram.dims), name) for name, values in found.items()}
    cut = {} if chosen.card is None else {"threshold": chosen.card.threshold, "peak": chosen.card.peak}
    facts = chosen.facts()
    for variable in new.values():
        _carry_grid_mapping(igram, variable)
    new["probability"].attrs |= {
        **{name: value for name, value in cut.items() if value is not None},
        "model": chosen.name, "model_sha256": chosen.sha256, **facts, **stated_errors(chosen),
        **({"unknown": "; ".join(unknown)} if unknown else {}),
    }  # fmt: skip
    recipe = recipe_of(ds).then("segment", model=chosen.name, sha256=chosen.sha256, **facts)
    return ds.assign(new).assign_attrs(recipe=recipe.to_json())


def predict_block(
    igram: np.ndarray,
    coherence: np.ndarray,
    *masks: np.ndarray,
    tile: Tile,
    predictor: Predictor,
    tiling: Tiling,
    device: str | None,
) -> np.ndarray:
    """Predict a dask block, or a whole array, as `insarflow.segment.blocks.predict_images`."""
    return predict_images(
        masked(Images(igram, coherence), masks), tile, predictor=predictor, tiling=tiling, device=device
    )


def _compare(ds: xr.Dataset, chosen: Chosen) -> tuple[str, ...]:
    """Warn of what differs between the data and the model's training data; what of these the data do not tell."""
    if chosen.card is None:
        return (f"{chosen.name} has no card, so it is not known what data it was trained on",)
    domain = check_domain(ds, chosen.card, chosen.name)
    if domain.outside:
        warnings.warn(domain.warning(chosen.name), RecipeWarning, stacklevel=4)
    return domain.unknown


def _images(ds: xr.Dataset) -> tuple[xr.DataArray, xr.DataArray]:
    """Interferogram and coherence with alike dims that end in ``(y, x)``."""
    igram, coherence = ds["igram"], ds["coherence"]
    if not set(SPACE) <= set(igram.dims) or set(coherence.dims) != set(igram.dims):
        raise SchemaError(
            f"igram and coherence must have the same dims, {SPACE} among them, instead got {igram.dims} and "
            f"{coherence.dims}"
        )
    if 0 in igram.shape:
        raise SchemaError(f"igram must hold pixels, instead got sizes={dict(igram.sizes)}")
    if igram.dtype.kind != "c":
        raise SchemaError(f"igram must be complex, instead got {igram.dtype}: a phase is exp(1j * phase) as igram")
    if coherence.dtype.kind != "f":
        raise SchemaError(f"coherence must be floating point, 0 to 1, instead got {coherence.dtype}")
    igram = igram.transpose(..., *SPACE)
    return igram, coherence.transpose(*igram.dims)


def _check_tile_size(tile_size: int, stride: int) -> None:
    wanted = f"tile_size must be a positive multiple of the model's stride {stride}"
    if isinstance(tile_size, bool) or not isinstance(tile_size, int):
        raise TypeError(f"{wanted}, instead got tile_size={tile_size!r} ({type(tile_size).__name__})")
    if tile_size < stride or tile_size % stride:
        raise ValueError(f"{wanted}, instead got tile_size={tile_size}")


def _carry_grid_mapping(source: xr.DataArray, target: xr.DataArray) -> None:
    for old, new in ((source.attrs, target.attrs), (source.encoding, target.encoding)):
        if "grid_mapping" in old:
            new["grid_mapping"] = old["grid_mapping"]
