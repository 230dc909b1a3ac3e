"""Probability of movement over a whole region, block by block."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import xarray as xr

from insarflow.errors import ModelError, RecipeWarning, SchemaError
from insarflow.learn.models import spec_of
from insarflow.learn.phase import CHANNELS, encode
from insarflow.learn.weights import ModelCard, ModelRef, load_card, resolve_model
from insarflow.ops.cells import present_cells
from insarflow.ops.overlap import map_windows
from insarflow.schema import SPACE, describe, recipe_of, require
from insarflow.segment.device import check_device, predict
from insarflow.segment.domain import check_domain
from insarflow.segment.windows import batches, model_reads, round_up, sub_tiles
from insarflow.types import Tile

PRECISION = "exact"


def segment(
    ds: xr.Dataset, model: str | Path = "default", *, device: str | None = None, tile_size: int = 1024
) -> xr.Dataset:
    """Add the probability that each pixel of each interferogram moves.

    Parameters
    ----------
    ds
        Stack with ``igram`` (complex) and ``coherence`` (0..1), both with the same dims ending in ``(y, x)``. Any
        chunks. NaN is missing.
    model
        Registered name, or path of a ``.safetensors`` file with its card beside it.
    device
        ``"cpu"``, ``"cuda"``, ``"cuda:1"``; by default the fastest where the block is computed.
    tile_size
        Side of the largest square of pixels predicted at once; bounds the memory. A multiple of the network's stride.

    Returns
    -------
    xarray.Dataset
        `ds` with the new variable ``probability`` (float32, 0..1), lazy if the input is, NaN exactly where
        ``igram`` or ``coherence`` is NaN or infinite. Its attributes name the model, the model's sha256, its
        threshold and the precision, and in ``unknown`` what of the model's training data the stack does not tell, if
        anything. The recipe gains a step ``segment``.

    Raises
    ------
    TypeError
        If an argument is of a wrong type.
    ValueError
        If `device` is not here, or `tile_size` is no positive multiple of the stride.
    SchemaError
        If ``igram`` or ``coherence`` is missing or of a wrong kind.
    ModelError
        If the model cannot be used, or its answer would have no meaning: it needs other channels than the stack
        gives, or pixels of a size more than ten times apart from the stack's.

    Warns
    -----
    RecipeWarning
        Once, naming all that differs between the data and the model's training data
        (`insarflow.segment.domain.compare`).

    Notes
    -----
    The result does not depend on chunks or `tile_size` (to float32 rounding): each part of the output is computed
    with a halo of at least the network's reach, on a window that lies on the network's pooling grid, and the region
    is filled to that grid with what missing pixels look like to the network.
    """
    require(ds, "igram", "coherence", to="segment")
    igram, coherence = _images(ds)
    check_device(device)
    ref, card = resolve_model(model), load_card(model)
    _check_network(card, ref.name)
    domain = check_domain(ds, card, ref.name)
    _check_tile_size(tile_size, card.stride)
    if domain.outside:
        warnings.warn(domain.warning(ref.name), RecipeWarning, stacklevel=2)
    halo = round_up(card.reach, card.stride)
    reads = model_reads(halo, card.stride)
    data = map_windows(
        predict_block,
        igram.data,
        coherence.data,
        reads=(reads, reads),
        dtype=np.float32,
        parts=False,
        present=present_cells(ds, "igram"),
        model=ref,
        device=device,
        tile_size=tile_size,
        halo=halo,
        stride=card.stride,
    )
    probability = describe(xr.DataArray(data, dims=igram.dims), "probability")
    probability.attrs |= {
        "threshold": card.threshold,
        "model": ref.name,
        "model_sha256": ref.sha256,
        "precision": PRECISION,
    }
    if domain.unknown:
        probability.attrs["unknown"] = "; ".join(domain.unknown)
    _carry_grid_mapping(igram, probability)
    recipe = recipe_of(ds).then("segment", model=ref.name, sha256=ref.sha256, precision=PRECISION)
    return ds.assign(probability=probability).assign_attrs(recipe=recipe.to_json())


def predict_block(
    igram: np.ndarray,
    coherence: np.ndarray,
    *,
    tile: Tile,
    model: ModelRef,
    device: str | None,
    tile_size: int,
    halo: int,
    stride: int,
) -> np.ndarray:
    """Predict one dask block, or a whole array: every part that holds a measurement, alike ones together."""
    out = np.full((*igram.shape[:-2], *tile.core.shape), np.nan, np.float32)
    lowest, highest = (f(coherence, initial=0.5, where=np.isfinite(coherence)) for f in (np.min, np.max))
    if lowest < 0.0 or highest > 1.0 + 1e-3:
        raise SchemaError(f"coherence must be between 0 and 1, instead got {lowest:g} to {highest:g}: rescale it")

    def jobs() -> Iterator[tuple[tuple[int, ...], Tile]]:
        for part in sub_tiles(tile, tile_size=tile_size, halo=halo, stride=stride):
            core = part.core.within(tile.read)
            for index in np.ndindex(igram.shape[:-2]):
                if _present(igram[index][core], coherence[index][core]).any():
                    yield index, part

    for batch in batches(jobs(), pixels=tile_size**2):
        x = np.zeros((len(batch), len(CHANNELS), *batch[0][1].read.shape), np.float32)
        for k, (index, part) in enumerate(batch):
            window = part.read.within(tile.read)
            encoded = encode(igram[index][window], coherence[index][window])
            x[k, :, : encoded.shape[-2], : encoded.shape[-1]] = encoded
        for y, (index, part) in zip(predict(model, x, device=device), batch, strict=True):
            core = part.core.within(tile.read)
            present = _present(igram[index][core], coherence[index][core])
            np.copyto(out[index][part.core.within(tile.core)], y[part.core.within(part.read)], where=present)
    return out


def _present(igram: np.ndarray, coherence: np.ndarray) -> np.ndarray:
    present: np.ndarray = np.isfinite(igram) & np.isfinite(coherence)
    return present


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


def _check_network(card: ModelCard, name: str) -> None:
    if spec_of(card.architecture).whole_tile:
        raise ModelError(f"model {name!r} has a layer that looks at the whole tile: no tiling is seamless")


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
