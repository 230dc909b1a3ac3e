"""Which GDAL and PROJ read and place the rasters."""

from __future__ import annotations

import rasterio


def gdal_versions() -> dict[str, str]:
    """Versions of the libraries inside rasterio: ``gdal`` and ``proj``."""
    return {"gdal": rasterio.__gdal_version__, "proj": rasterio.__proj_version__}
