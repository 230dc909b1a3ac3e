"""The nine composites of Nava et al.: three bands of Sentinel-1, terrain and Sentinel-2 in one image."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Literal, get_args

import numpy as np

from insarflow.errors import MissingVariableError
from insarflow.ops.checks import check_choice

Composite = Literal["RGB", "SSD", "SSS", "BAD", "BAS", "HHH", "BAA", "BAC", "BAH"]

COMPOSITES: Final[Mapping[Composite, tuple[str, str, str]]] = MappingProxyType(
    {
        "RGB": ("red", "green", "blue"),
        "SSD": ("vv_after", "vh_after", "dem"),
        "SSS": ("vv_after", "vh_after", "slope"),
        "BAD": ("vv_before", "vv_after", "dem"),
        "BAS": ("vv_before", "vv_after", "slope"),
        "HHH": ("vh_before", "vh_after", "vh_after"),
        "BAA": ("vv_before", "vv_after", "vv_after"),
        "BAC": ("vv_before", "vv_after", "vv_change"),
        "BAH": ("vv_before", "vv_after", "vh_after"),
    }
)
"""Channels of each, as in Table 2 of the paper; ``vv_change`` is VV after the event less VV before."""

RADAR: Final = ("vv_before", "vv_after", "vh_before", "vh_after")
TERRAIN: Final = ("dem", "slope")
OPTICAL: Final = ("red", "green", "blue")
BANDS: Final = (*RADAR, *TERRAIN, *OPTICAL)
"""All bands there are: backscatter in dB, heights in m, slope in rad, reflectance in 0..1."""

RANGES: Final[Mapping[str, tuple[float, float]]] = MappingProxyType(
    {
        **dict.fromkeys(("vv_before", "vv_after"), (-25.0, 5.0)),
        **dict.fromkeys(("vh_before", "vh_after"), (-32.0, -2.0)),
        "vv_change": (-10.0, 10.0),
        "dem": (0.0, 3000.0),
        "slope": (0.0, np.pi / 2),
        **dict.fromkeys(OPTICAL, (0.0, 0.3)),
    }
)
"""What becomes 0 and 1 in a network's input. The same for every place, so that no set tells of another."""

Intensities = Literal["db", "linear"]


def bands_of(name: Composite) -> tuple[str, ...]:
    """Bands that a composite is made of, each once.

    Raises
    ------
    ValueError
        If there is no such composite; those there are are listed.

    Examples
    --------
    >>> bands_of("BAC")
    ('vv_before', 'vv_after')
    """
    check_choice("composite", name, get_args(Composite))
    return tuple(dict.fromkeys("vv_after" if band == "vv_change" else band for band in COMPOSITES[name]))


def composite(bands: Mapping[str, np.ndarray], name: Composite) -> np.ndarray:
    """Three channels of a composite.

    Parameters
    ----------
    bands
        Of `BANDS`, real numbers ``(y, x)``, at least those of `bands_of`; backscatter in dB. NaN is missing.
    name
        One of `COMPOSITES`.

    Returns
    -------
    ndarray
        float32 ``(3, y, x)``, in the bands' units; ``vv_change`` is a difference in dB, so a ratio of intensities,
        which does not depend on how bright the ground is. (The paper does not say whether its amplitudes are in dB.)

    Raises
    ------
    ValueError
        If there is no such composite, or shapes differ.
    MissingVariableError
        If a band is missing.

    References
    ----------
    Nava, Monserrat and Catani (2021), Improving landslide detection on SAR data through deep learning, Table 2.

    Examples
    --------
    >>> bands = {"vv_before": np.full((1, 1), -9.0), "vv_after": np.full((1, 1), -12.0)}
    >>> composite(bands, "BAC")[:, 0, 0].tolist()
    [-9.0, -12.0, -3.0]
    """
    needed = bands_of(name)
    missing = [band for band in needed if band not in bands]
    if missing:
        raise MissingVariableError(
            f"composite {name} needs {', '.join(needed)}, instead {', '.join(missing)} is missing: there are "
            f"{', '.join(sorted(bands)) or 'none'}"
        )
    images = {band: np.asarray(bands[band], np.float32) for band in needed}
    shapes = {band: image.shape for band, image in images.items()}
    if len({*shapes.values()}) > 1 or len(shapes[needed[0]]) != 2:
        raise ValueError(f"bands must have one shape (y, x), instead got {shapes}")
    if "vv_change" in COMPOSITES[name]:
        images["vv_change"] = images["vv_after"] - images["vv_before"]
    return np.stack([images[band] for band in COMPOSITES[name]])


def scaled(image: np.ndarray, name: Composite) -> np.ndarray:
    """A composite with the `RANGES` of its channels brought to 0..1, float32; what lies beyond stays beyond."""
    low, high = np.array([RANGES[band] for band in COMPOSITES[name]], np.float32).T[..., None, None]
    return np.asarray((image - low) / (high - low), np.float32)
