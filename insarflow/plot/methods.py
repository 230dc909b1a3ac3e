"""``ds.insar.plot``: every picture of a stack. Forwards only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from insarflow.plot.inventory import Background, draw_inventory
from insarflow.plot.matrix import draw_coherence_matrix
from insarflow.plot.network import Colour, draw_network
from insarflow.plot.pairs import draw_before_after, draw_coherence, draw_phase
from insarflow.types import PairLike

if TYPE_CHECKING:
    import geopandas as gpd


class Plot:
    """Pictures of a stack, or of one interferogram.

    Parameters
    ----------
    ds
        A stack, or one interferogram of it on ``(y, x)``.

    Notes
    -----
    A picture computes what it shows. Images larger than 1200 pixels a side are averaged by blocks first,
    interferograms as complex numbers; of a lazy stack only a few blocks per worker are in memory.

    Examples
    --------
    >>> import insarflow
    >>> from matplotlib.figure import Figure
    >>> ds, truth = insarflow.simulate_stack((64, 64), acquisitions=3, delays=[6], movers=2)
    >>> Plot(ds).network(colour="delay", ax=Figure().subplots()).get_title()
    '3 acquisitions, 2 interferograms'
    """

    def __init__(self, ds: xr.Dataset) -> None:
        self._ds = ds

    def phase(self, pairs: PairLike | Sequence[PairLike] | None = None, *, ax: Axes | None = None) -> Axes | np.ndarray:
        """Wrapped phase in cyclic colours, -pi to pi, positive away from the satellite.

        Parameters
        ----------
        pairs
            One pair by name or (date, delay): one panel. Several in a list, or None for all: a panel each, rows are
            dates and columns delays, at most 60.
        ax
            Where to draw one panel; by default a new figure.

        Returns
        -------
        Axes, or ndarray of Axes ``(dates, delays)`` if several are drawn.

        Raises
        ------
        MissingVariableError
            If there is no ``igram``.
        UnknownPairError
            If the stack does not hold a pair; the message names the nearest.
        TypeError, ValueError
            If `pairs` names none or too many, or `ax` is no Axes or given for several.
        SchemaError
            If there are no pixels, dates or delays.
        """
        return draw_phase(self._ds, pairs, ax=ax)

    def coherence(
        self, pairs: PairLike | Sequence[PairLike] | None = None, *, ax: Axes | None = None
    ) -> Axes | np.ndarray:
        """Coherence in grey, 0 to 1.

        Parameters
        ----------
        pairs, ax
            As `phase`.

        Returns
        -------
        Axes, or ndarray of Axes ``(dates, delays)`` if several are drawn.

        Raises
        ------
        MissingVariableError
            If there is no ``coherence``.
        UnknownPairError, TypeError, ValueError, SchemaError
            As `phase`.
        """
        return draw_coherence(self._ds, pairs, ax=ax)

    def network(self, *, colour: Colour | None = None, ax: Axes | None = None) -> Axes:
        """Acquisitions and the interferograms between them: perpendicular baseline against time.

        Parameters
        ----------
        colour
            Of the lines. ``"coherence"``: mean coherence, one pass over the coherence of all pairs; ``"delay"``: no
            pixel is read. By default coherence if there is any.
        ax
            Where to draw; by default a new figure.

        Returns
        -------
        Axes

        Raises
        ------
        MissingVariableError
            If `colour` is ``"coherence"`` and there is none.
        TypeError, ValueError
            If `colour` is another, or `ax` no Axes.
        SchemaError
            If this is no stack, or holds no interferogram.

        Notes
        -----
        A date's baseline is the least-squares fit to those of its pairs, of mean 0 in each connected part; parts have
        colours of their own. Without baselines each pair is an arc as high as its delay.
        """
        return draw_network(self._ds, colour=colour, ax=ax)

    def coherence_matrix(self, *, ax: Axes | None = None) -> Axes:
        """Mean coherence, date by date; grey where there is no interferogram. One pass over the coherence.

        Parameters
        ----------
        ax
            Where to draw; by default a new figure.

        Returns
        -------
        Axes

        Raises
        ------
        MissingVariableError
            If there is no ``coherence``.
        TypeError
            If `ax` is no Axes.
        SchemaError
            If this is no stack, or holds no interferogram.
        """
        return draw_coherence_matrix(self._ds, ax=ax)

    def inventory(
        self,
        polygons: gpd.GeoDataFrame | None = None,
        *,
        background: Background | None = None,
        threshold: float | None = None,
        ax: Axes | None = None,
    ) -> Axes:
        """Outlines of moving slopes over a background.

        Parameters
        ----------
        polygons
            As `insarflow.inventory.inventory` gives them, or read from ``inventory.gpkg``, in any CRS. By default they
            are found in ``probability``.
        background
            ``"probability"`` (over the relief if there is a ``dem``), ``"dem"`` (the relief) or ``"phase"`` (the pair
            in the middle of the period). By default the first of these that there is.
        threshold
            Probability from which a pixel counts as moving, as `insarflow.inventory.inventory`.
        ax
            Where to draw; by default a new figure.

        Returns
        -------
        Axes

        Raises
        ------
        MissingVariableError
            If the background is not there, or neither are polygons and ``probability``.
        TypeError, ValueError
            If an argument is of another kind, or no threshold is known.
        SchemaError
            If there are no pixels or, to find polygons, no grid.

        Notes
        -----
        Of the probability per pair, lazy, everything is computed twice, for outlines and picture: write it first.
        """
        return draw_inventory(self._ds, polygons, background=background, threshold=threshold, ax=ax)

    def before_after(self, after: xr.Dataset, pair: PairLike | None = None) -> np.ndarray:
        """One interferogram of this stack, the same of another, and the wrapped difference of their phases.

        Parameters
        ----------
        after
            The stack (or the one interferogram) processed, on the same pixels: ``ds.insar.goldstein()``.
        pair
            By name or (date, delay); by default the one in the middle of the period.

        Returns
        -------
        ndarray of Axes, ``(3,)``

        Raises
        ------
        MissingVariableError
            If one of them has no ``igram``.
        UnknownPairError
            If one of them does not hold the pair.
        TypeError, ValueError
            If `pair` names none, or the pixels or the pairs differ.
        """
        return draw_before_after(self._ds, after, pair)
