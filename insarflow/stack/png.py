"""PNG images of 8 bits: the pictures that some archives have instead of numbers."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Final

import numpy as np
import rasterio
from rasterio.errors import NotGeoreferencedWarning, RasterioError

from insarflow.errors import ProductError, StoreError

MOST_PIXELS: Final = 2**26
"""Of an image that is read."""


def read_png(path: Path) -> np.ndarray:
    """Read a grey image; its size is checked first.

    Parameters
    ----------
    path
        A PNG of 8 bits: one band, or three or four whose first three are alike.

    Returns
    -------
    ndarray
        uint8, ``(y, x)``.

    Raises
    ------
    ProductError
        If the file is missing, no PNG, damaged, too large, of another depth, or coloured.
    """
    name = f"file={str(path)!r}"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            with rasterio.open(path, driver="PNG") as source:
                if source.height * source.width > MOST_PIXELS:
                    raise ProductError(
                        f"{name} must have at most {MOST_PIXELS} pixels, instead got {source.height} x {source.width}"
                    )
                if set(source.dtypes) != {"uint8"}:
                    raise ProductError(f"{name} must have 8 bits a band, instead got {source.dtypes[0]}")
                bands: np.ndarray = source.read(range(1, min(source.count, 3) + 1))
                palette = source.colorinterp[0].name == "palette"
    except (RasterioError, OSError) as error:
        reason = (str(error.__cause__ or error) or type(error).__name__).splitlines()[0]
        raise ProductError(f"{name} must be a PNG image, instead it cannot be read: {reason}") from error
    if palette or (len(bands) == 3 and (bands != bands[0]).any()):
        raise ProductError(f"{name} must be grey, instead it is coloured: a picture of the phase does not tell it")
    grey: np.ndarray = bands[0]
    return grey


def write_png(path: Path, image: np.ndarray) -> None:
    """Write a grey image, uint8 ``(y, x)``.

    Raises
    ------
    StoreError
        If it cannot be written.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            with rasterio.open(
                path, "w", driver="PNG", height=image.shape[0], width=image.shape[1], count=1, dtype="uint8"
            ) as file:
                file.write(image, 1)
    except (RasterioError, OSError) as error:
        raise StoreError(f"{path} cannot be written: {error}") from error
