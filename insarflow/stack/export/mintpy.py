"""The two files that MintPy begins with: its stack of interferograms and its geometry, in HDF5."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from insarflow.errors import MissingVariableError, ProductWarning, SchemaError, StoreError
from insarflow.schema import PAIR
from insarflow.stack.assemble import Array
from insarflow.stack.export.hdf5 import storage, write_window
from insarflow.stack.export.layers import Stack, as_written, read
from insarflow.stack.export.mintpy_attributes import attributes_of, epsg_of
from insarflow.stack.export.mintpy_geometry import Image, geometry_of
from insarflow.stack.export.output import new_export
from insarflow.stack.export.pool import Stop, Tell, each, say_nothing
from insarflow.types import Window

if TYPE_CHECKING:
    import h5py

NAMES: Final = {"unwrapped": "unwrapPhase", "coherence": "coherence", "igram": "wrapPhase"}
"""Images of pairs by the names that MintPy gives them."""


def write_mintpy(stack: Stack, path: Path, identity: str, *, overwrite: bool = False, tell: Tell = say_nothing) -> Path:
    """Write ``inputs/ifgramStack.h5`` and ``inputs/geometryGeo.h5``, what MintPy's ``load_data`` makes of a product.

    Parameters
    ----------
    stack
        From `insarflow.stack.export.layers.stack_of`, with ``unwrapped`` and ``dem``. Its wrapped phase, if it is among
        the images, becomes ``wrapPhase``.
    path
        Folder to make: MintPy's working directory.
    identity
        Token of all that the result depends on.
    overwrite
        Whether to replace a folder that was exported earlier.
    tell
        Shows progress.

    Returns
    -------
    Path
        `path`.

    Raises
    ------
    ModuleNotFoundError
        If h5py is not installed: ``pip install insarflow[export]``.
    MissingVariableError
        If the stack is not unwrapped, or has no ``dem``.
    SchemaError
        If the wavelength is not known, or the CRS has no EPSG code.
    OutputExistsError, StoreError
        As `insarflow.stack.export.output.new_export`.

    Notes
    -----
    Nothing changes its sign. MintPy's displacement is -wavelength / (4 pi) times the phase, positive toward the
    satellite, for pairs named earlier date first: its phase is positive for an increase of range, as here. Its
    topographic term of displacement, B / (R sin incidence) per metre of height, is that of the baseline's sign here.
    ``azimuthAngle`` is that of the line of sight, from the ground to the satellite, from north and counted
    anti-clockwise (as ISCE 2 does), -atan2(los_east, los_north); ``incidenceAngle`` is that of the ellipsoid; degrees.
    ``waterMask`` is true on land. Missing pixels are NaN, which MintPy leaves out as it does 0.
    A baseline that is not known is written as 0, with a warning: MintPy takes none that is missing.
    ``slantRangeDistance`` is written for Sentinel-1 only: of a circular orbit, within 1.5 %.

    References
    ----------
    Yunjun, Z., Fattahi, H., Amelung, F. (2019), Small baseline InSAR time series analysis: Unwrapping error correction
    and noise reduction, https://doi.org/10.1016/j.cageo.2019.104331
    """
    import h5py

    check_mintpy(stack)
    _warn_of_baselines(stack)
    attributes = attributes_of(stack)
    windows = list(stack.windows())
    geometry = list(geometry_of(stack))
    images = [name for name in NAMES if name in stack.images]
    count = len(windows) * (len(geometry) + len(stack.names) * len(images))
    with new_export(path, identity, overwrite=overwrite) as folder:
        inputs = folder / "inputs"
        inputs.mkdir(exist_ok=True)
        try:
            with (
                h5py.File(inputs / "ifgramStack.h5", "w") as pairs,
                h5py.File(inputs / "geometryGeo.h5", "w") as places,
            ):
                _declare_pairs(pairs, stack, images)
                for one in geometry:
                    missing = np.nan if one.dtype.kind == "f" else None
                    places.create_dataset(one.name, **storage(stack.grid.shape, one.dtype), fillvalue=missing)
                for file, kind in ((pairs, "ifgramStack"), (places, "geometry")):
                    file.attrs.update({**attributes, "FILE_TYPE": kind})
                each(_jobs(stack, windows, images, geometry, pairs, places), _write, tell, count=count)
        except RuntimeError as error:  # how HDF5 says that a disk is full
            raise StoreError(f"path={str(path)!r} cannot be written: {error}") from error
    return path


def check_mintpy(stack: Stack) -> None:
    """Check that a stack has what MintPy needs, before any work.

    Raises
    ------
    MissingVariableError, SchemaError
        As `write_mintpy`.
    """
    if "unwrapped" not in stack.images:
        raise MissingVariableError(
            f"MintPy needs the variable 'unwrapped', but what is exported holds {[*stack.images, *stack.static]}: "
            "unwrap the stack first, or open a product that holds unwrapped phase"
        )
    if "dem" not in stack.static:
        raise MissingVariableError(
            f"MintPy needs the variable 'dem', but what is exported holds {[*stack.images, *stack.static]}: "
            "put a GeoTIFF of terrain heights (dem.tif) beside the interferograms"
        )
    if not stack.pairs.attrs.get("wavelength"):
        raise SchemaError(
            "MintPy needs the attribute 'wavelength' (m), which this stack does not tell: set it with "
            "ds.attrs['wavelength'] = 0.05546576 (Sentinel-1)"
        )
    if epsg_of(stack.grid) is None:
        raise SchemaError(
            "MintPy needs a CRS with an EPSG code, which this stack's has not: build it anew with --crs EPSG:4326"
        )


def _warn_of_baselines(stack: Stack) -> None:
    unknown = int(np.isnan(stack.baselines).sum())
    if unknown:
        warnings.warn(
            f"the perpendicular baseline of {unknown} of {len(stack.names)} interferograms is unknown and becomes 0 m: "
            "switch off MintPy's correction of topographic residuals (mintpy.topographicResidual = no)",
            ProductWarning,
            stacklevel=3,
        )


_Job = tuple["h5py.Dataset", tuple[int, ...], Window, Callable[[Window], np.ndarray]]
"""Where an image goes, which of the pile it is, and its values in a window."""


def _write(job: _Job, stop: Stop) -> None:
    dataset, lead, window, values = job
    stop()
    write_window(dataset, lead, window, values(window))


def _jobs(
    stack: Stack,
    windows: Sequence[Window],
    images: Sequence[str],
    geometry: Sequence[Image],
    pairs: h5py.File,
    places: h5py.File,
) -> Iterator[_Job]:
    for k in range(len(stack.names)):
        for window in windows:
            for name in images:
                yield pairs[NAMES[name]], (k,), window, partial(_pixels, stack.pairs[name].data[k])
    for one in geometry:
        for window in windows:
            yield places[one.name], (), window, one.values


def _pixels(data: Array, window: Window) -> np.ndarray:
    return as_written(read(data, window))


def _declare_pairs(file: h5py.File, stack: Stack, images: Sequence[str]) -> None:
    """Make the datasets of the pairs; images without their pixels."""
    days = [[str(day)[:10].replace("-", "") for day in (p.reference, p.secondary)] for p in stack.names]
    file.create_dataset("date", data=np.array(days, "S8"))
    file.create_dataset("bperp", data=np.nan_to_num(stack.baselines))
    file.create_dataset("dropIfgram", data=np.ones(len(days), np.bool_))
    for name in images:
        sizes = (stack.pairs.sizes[PAIR], *stack.grid.shape)
        file.create_dataset(NAMES[name], **storage(sizes, np.dtype("float32")), fillvalue=np.nan)
