"""How many bodies find room among others that came before them."""

from __future__ import annotations

import numpy as np

_STEP = 0.02
"""Of the ground's trials, in bodies per mean area: the step of the integration."""

_MOST = 4.0
"""Trials per mean area beyond which hardly anything finds room."""


def trials_for(density: float, radii: np.ndarray) -> float:
    """Trials per area that leave `density` bodies per area, if each is kept that overlaps none kept before.

    Parameters
    ----------
    density
        Wanted, per area.
    radii
        Drawn at random from those of the bodies, float64 ``(n,)``, in the square root of the unit of area.

    Raises
    ------
    ValueError
        If there is no room for so many.

    Notes
    -----
    The chance that a disc of radius R finds room among discs is that of scaled particle theory, which holds in
    equilibrium and, at the densities met here, nearly so for random sequential adsorption; with ``s0, s1, s2`` the sums
    of 1, R and pi R^2 of the bodies kept per area::

        (1 - s2) exp(-(2 pi R s1 + pi R^2 s0) / (1 - s2) - (pi R s1 / (1 - s2))^2)

    What it says of ellipses in all directions, with their mean half width, is right within a tenth.

    References
    ----------
    Lebowitz, Helfand and Praestgaard (1965), doi:10.1063/1.1696842.
    """
    areas = np.pi * radii * radii
    step = _STEP / areas.mean()
    kept, trials = np.zeros(radii.size), 0.0
    while kept.sum() < density:
        if trials * areas.mean() > _MOST:
            raise ValueError(
                f"density must be less than {kept.sum():.3g} bodies per km2 where they are so large, instead got "
                f"density={density:g}: ask for fewer or smaller ones"
            )
        free = 1.0 - kept @ areas
        edge = kept @ radii
        room = (
            np.log(free) - (2 * np.pi * radii * edge + areas * kept.sum()) / free - areas * np.pi * (edge / free) ** 2
        )
        kept += step / radii.size * np.exp(room)
        trials += step
    return float(trials)
