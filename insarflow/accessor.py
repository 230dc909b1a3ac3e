"""``ds.insar``: every operation of insarflow on a stack. Forwards only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import pandas as pd
import xarray as xr

from insarflow.kernels.bias import Bias
from insarflow.kernels.coherence import Weights
from insarflow.kernels.goldstein import Alpha, Amplitude, Edges, Ends, PatchWindow
from insarflow.kernels.phase_fit import Order
from insarflow.kernels.phase_statistics import Spread
from insarflow.kernels.stacking import Method as Stacking
from insarflow.ops.atmosphere import add_stratified, add_turbulence
from insarflow.ops.augment import add_offset, add_ramp, conjugate, decorrelate, degrade
from insarflow.ops.average import Weighting, average
from insarflow.ops.closure import closure_phase
from insarflow.ops.coherence import coherence
from insarflow.ops.deramp import deramp, ramps
from insarflow.ops.downslope import downslope, sensitivity
from insarflow.ops.goldstein import goldstein
from insarflow.ops.multilook import multilook
from insarflow.ops.observability import observability
from insarflow.ops.pair_statistics import pair_statistics
from insarflow.ops.phase import amplitude, phase
from insarflow.ops.phase_statistics import circular_mean, circular_std, phase_std
from insarflow.ops.presets import Preset
from insarflow.ops.recipe import apply_recipe
from insarflow.ops.reference import Statistic, reference
from insarflow.ops.residues import residue_count, residues
from insarflow.ops.stacking import stacking_rate
from insarflow.ops.stratified import remove_stratified, stratification
from insarflow.ops.timeseries import Weights as PairWeights
from insarflow.ops.timeseries import timeseries
from insarflow.ops.unwrap import Cost, unwrap
from insarflow.stack.assemble import pairs_table
from insarflow.stack.dem import add_dem
from insarflow.stack.labels import select_pair
from insarflow.stack.pairs import from_pairs, to_pairs
from insarflow.stack.same_day import same_end, same_start
from insarflow.stack.select import select_pairs
from insarflow.stack.sources import SourceLike
from insarflow.stack.target import Method
from insarflow.stack.terrain import terrain
from insarflow.stack.troposphere import open_troposphere
from insarflow.types import DateLike, DelayLike, Mode, Output, PairLike, Precision, Recipe
from insarflow.workflows.export import Exported, export_stack
from insarflow.workflows.operation import plan

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    import folium
    import geopandas as gpd

    from insarflow.inventory.criteria import Criteria
    from insarflow.plot import Plot
    from insarflow.segment.chosen import ModelLike
    from insarflow.segment.masks import Masks
    from insarflow.stack.codes import Encoding
    from insarflow.workflows.plan import Plan


@xr.register_dataset_accessor("insar")  # type: ignore[no-untyped-call]
class InsarAccessor:
    """Operations on a stack of interferograms; each takes and returns a Dataset, so they chain.

    Examples
    --------
    >>> import insarflow
    >>> ds, truth = insarflow.simulate_stack((64, 64), acquisitions=3, delays=[6], movers=2)
    >>> ds.insar.goldstein(alpha=0.5).insar.multilook(y=2, x=2).sizes["y"]
    32
    """

    def __init__(self, ds: xr.Dataset) -> None:
        self._ds = ds

    def pair(self, label: PairLike | DateLike, delay: DelayLike | None = None) -> xr.Dataset:
        """One interferogram by name or (date, delay); see `insarflow.select_pair`."""
        return select_pair(self._ds, label, delay)

    @property
    def phase(self) -> xr.DataArray:
        """Wrapped phase in rad, lazy; see `insarflow.phase`."""
        return phase(self._ds)

    @property
    def amplitude(self) -> xr.DataArray:
        """Amplitude, lazy; see `insarflow.amplitude`."""
        return amplitude(self._ds)

    @property
    def plot(self) -> Plot:
        """Pictures: ``ds.insar.plot.phase()`` and others; see `insarflow.plot.Plot`."""
        from insarflow.plot import Plot

        return Plot(self._ds)

    def explore(
        self,
        pair: PairLike | None = None,
        *,
        polygons: gpd.GeoDataFrame | None = None,
        tiles: str | None = None,
    ) -> folium.Map:
        """Interactive map for a notebook; see `insarflow.plot.explore`."""
        from insarflow.plot import explore

        return explore(self._ds, pair, polygons=polygons, tiles=tiles)

    @property
    def pairs(self) -> pd.DataFrame:
        """Table of the interferograms; see `insarflow.pairs_table`. One pass over the data."""
        return pairs_table(self._ds)

    def to_pairs(self) -> xr.Dataset:
        """The interferograms one behind the other, ``(pair, y, x)``; see `insarflow.to_pairs`."""
        return to_pairs(self._ds)

    def from_pairs(self) -> xr.Dataset:
        """The stack of a list of pairs; see `insarflow.from_pairs`."""
        return from_pairs(self._ds)

    def select_pairs(
        self,
        *,
        start: DateLike | None = None,
        end: DateLike | None = None,
        delays: Sequence[DelayLike] | None = None,
        min_delay: DelayLike | None = None,
        max_delay: DelayLike | None = None,
        pairs: Sequence[PairLike] | None = None,
        exclude: Sequence[PairLike] | None = None,
        max_baseline: float | None = None,
        min_coherence: float | None = None,
        table: pd.DataFrame | None = None,
        nearest: int | None = None,
    ) -> xr.Dataset:
        """The interferograms of some days, delays, baselines or coherence; see `insarflow.select_pairs`."""
        return select_pairs(
            self._ds, start=start, end=end, delays=delays, min_delay=min_delay, max_delay=max_delay, pairs=pairs,
            exclude=exclude, max_baseline=max_baseline, min_coherence=min_coherence, table=table, nearest=nearest,
        )  # fmt: skip

    def same_start(self, date: DateLike, delays: Sequence[DelayLike] | None = None) -> xr.Dataset:
        """Interferograms that begin on one day, by their delay; see `insarflow.same_start`."""
        return same_start(self._ds, date, delays)

    def same_end(self, date: DateLike, delays: Sequence[DelayLike] | None = None) -> xr.Dataset:
        """Interferograms that end on one day, by their delay; see `insarflow.same_end`."""
        return same_end(self._ds, date, delays)

    def goldstein(
        self,
        *,
        patch_size: int | None = None,
        step: int | None = None,
        alpha: Alpha | None = None,
        alpha_range: tuple[float, float] | None = None,
        smoothing: int | None = None,
        smoothing_ends: Ends | None = None,
        window: PatchWindow | None = None,
        normalise: bool | None = None,
        min_valid: float | None = None,
        amplitude: Amplitude | None = None,
        edges: Edges | None = None,
        swap_iq: bool | None = None,
        preset: Preset = "default",
    ) -> xr.Dataset:
        """Smooth the phase; see `insarflow.goldstein`."""
        return goldstein(
            self._ds, preset=preset, patch_size=patch_size, step=step, alpha=alpha, alpha_range=alpha_range,
            smoothing=smoothing, smoothing_ends=smoothing_ends, window=window, normalise=normalise,
            min_valid=min_valid, amplitude=amplitude, edges=edges, swap_iq=swap_iq,
        )  # fmt: skip

    def multilook(self, *, y: int, x: int, min_valid: float = 0.5) -> xr.Dataset:
        """Average blocks of pixels; see `insarflow.multilook`."""
        return multilook(self._ds, y=y, x=x, min_valid=min_valid)

    def coherence(
        self,
        *,
        window: int | tuple[int, int] = 5,
        weights: Weights = "boxcar",
        bias: Bias | None = None,
        looks: float | None = None,
    ) -> xr.Dataset:
        """Estimate coherence from the phase; see `insarflow.coherence`."""
        return coherence(self._ds, window=window, weights=weights, bias=bias, looks=looks)

    def phase_std(self, *, looks: float, method: Spread = "exact") -> xr.DataArray:
        """Phase noise that the coherence means; see `insarflow.phase_std`."""
        return phase_std(self._ds, looks=looks, method=method)

    def circular_mean(self, dim: str | Sequence[str]) -> xr.DataArray:
        """Mean direction of the phase along date, delay or both; see `insarflow.circular_mean`."""
        return circular_mean(self._ds, dim)

    def circular_std(self, dim: str | Sequence[str]) -> xr.DataArray:
        """Spread of the phase along date, delay or both; see `insarflow.circular_std`."""
        return circular_std(self._ds, dim)

    def closure_phase(self) -> xr.DataArray:
        """Phase that triplets leave; see `insarflow.closure_phase`."""
        return closure_phase(self._ds)

    def residues(self) -> xr.DataArray:
        """Points around which the phase does not close; see `insarflow.residues`."""
        return residues(self._ds)

    def residue_count(self) -> xr.DataArray:
        """Number of residues of each interferogram; see `insarflow.residue_count`."""
        return residue_count(self._ds)

    def add_offset(self, angle: float) -> xr.Dataset:
        """Add a constant to the phase; see `insarflow.add_offset`."""
        return add_offset(self._ds, angle)

    def add_ramp(self, *, slope_y: float, slope_x: float) -> xr.Dataset:
        """Add a plane to the phase; see `insarflow.add_ramp`."""
        return add_ramp(self._ds, slope_y=slope_y, slope_x=slope_x)

    def conjugate(self) -> xr.Dataset:
        """Exchange the two acquisitions; see `insarflow.conjugate`."""
        return conjugate(self._ds)

    def decorrelate(self, *, factor: float, looks: int, seed: int) -> xr.Dataset:
        """Lower the coherence; see `insarflow.decorrelate`."""
        return decorrelate(self._ds, factor=factor, looks=looks, seed=seed)

    def degrade(self, *, factor: float, looks: int, seed: int) -> xr.Dataset:
        """Lower the coherence of filtered data, without statistics; see `insarflow.degrade`."""
        return degrade(self._ds, factor=factor, looks=looks, seed=seed)

    def add_turbulence(
        self,
        *,
        std: float,
        seed: int,
        exponent: float = -11 / 3,
        longest: float | None = None,
        pixel_size: float | tuple[float, float] = 1.0,
    ) -> xr.Dataset:
        """Add turbulent atmosphere to the phase of each pair; see `insarflow.add_turbulence`."""
        return add_turbulence(self._ds, std=std, seed=seed, exponent=exponent, longest=longest, pixel_size=pixel_size)

    def add_stratified(self, *, rad_per_km: float) -> xr.Dataset:
        """Add phase in proportion to the height; see `insarflow.add_stratified`."""
        return add_stratified(self._ds, rad_per_km=rad_per_km)

    def deramp(self, *, order: Order = "plane") -> xr.Dataset:
        """Take a ramp out of the phase of each pair; see `insarflow.deramp`."""
        return deramp(self._ds, order=order)

    def ramps(self, *, order: Order = "plane", variable: Literal["igram", "unwrapped"] = "igram") -> xr.Dataset:
        """Coefficients of the ramps; see `insarflow.ramps`."""
        return ramps(self._ds, order=order, variable=variable)

    def remove_stratified(self, *, limit: float = 20.0, plane: bool = True, min_spread: float = 50.0) -> xr.Dataset:
        """Take the phase that follows the terrain out of each pair; see `insarflow.remove_stratified`."""
        return remove_stratified(self._ds, limit=limit, plane=plane, min_spread=min_spread)

    def stratification(self, *, limit: float = 20.0, plane: bool = True, min_spread: float = 50.0) -> xr.Dataset:
        """Phase in proportion to height; see `insarflow.stratification`."""
        return stratification(self._ds, limit=limit, plane=plane, min_spread=min_spread)

    def reference(
        self,
        *,
        point: Sequence[float] | None = None,
        mask: xr.DataArray | str | None = None,
        statistic: Statistic = "mean",
        window: int = 5,
    ) -> xr.Dataset:
        """Phase relative to a point, stable ground or its own mean; see `insarflow.reference`."""
        return reference(self._ds, point=point, mask=mask, statistic=statistic, window=window)

    def average(
        self,
        *,
        order: Order | None = "plane",
        point: Sequence[float] | None = None,
        mask: xr.DataArray | str | None = None,
        statistic: Statistic = "mean",
        weights: Weighting = "uniform",
        pool: bool = False,
    ) -> xr.Dataset:
        """Average D-InSAR: the mean interferogram of each delay; see `insarflow.average`."""
        return average(
            self._ds, order=order, point=point, mask=mask, statistic=statistic, weights=weights, pool=pool
        )  # fmt: skip

    def unwrap(
        self,
        *,
        looks: float | None = None,
        cost: Cost = "smooth",
        tile: int = 2048,
        overlap: int | None = None,
    ) -> xr.Dataset:
        """Unwrap with SNAPHU; see `insarflow.unwrap`."""
        return unwrap(self._ds, looks=looks, cost=cost, tile=tile, overlap=overlap)

    def timeseries(
        self,
        *,
        weights: PairWeights = "coherence",
        looks: float | None = None,
        residual_topography: bool = False,
        slant_range: float | xr.DataArray | None = None,
        reference: tuple[float, float] | None = None,
        troposphere: xr.DataArray | None = None,
        noise: float | None = None,
        drop_flagged: bool = False,
        connected: bool = True,
    ) -> xr.Dataset:
        """Displacement of every date, velocity and their errors; see `insarflow.timeseries`."""
        return timeseries(
            self._ds, weights=weights, looks=looks, residual_topography=residual_topography, slant_range=slant_range,
            reference=reference, troposphere=troposphere, noise=noise, drop_flagged=drop_flagged, connected=connected,
        )  # fmt: skip

    def stacking_rate(
        self,
        *,
        method: Stacking = "least-squares",
        reference: tuple[float, float] | None = None,
        noise: float | None = None,
    ) -> xr.Dataset:
        """Rate of steady motion by stacking; see `insarflow.stacking_rate`."""
        return stacking_rate(self._ds, method=method, reference=reference, noise=noise)

    def pair_statistics(self, name: str = "coherence") -> xr.Dataset:
        """Mean, median and standard deviation of a variable over the pairs; see `insarflow.pair_statistics`."""
        return pair_statistics(self._ds, name)

    def add_dem(
        self, dem: SourceLike | xr.DataArray, *, method: Method = "bilinear", max_missing: float = 0.0
    ) -> xr.Dataset:
        """Any terrain model on this grid; see `insarflow.add_dem`."""
        return add_dem(self._ds, dem, method=method, max_missing=max_missing)

    def open_troposphere(
        self, source: SourceLike, *, incidence: float | None = None, max_missing: float = 0.0
    ) -> xr.DataArray:
        """Delays of GACOS on all days, along the line of sight; see `insarflow.open_troposphere`."""
        return open_troposphere(source, self._ds, incidence=incidence, max_missing=max_missing)

    def terrain(self, *, scale: float | None = None, reach: float = 8000.0) -> xr.Dataset:
        """Slope, aspect, curvature, local incidence, layover and shadow; see `insarflow.terrain`."""
        return terrain(self._ds, scale=scale, reach=reach)

    def downslope(
        self, motion: xr.DataArray, *, error: xr.DataArray | None = None, min_sensitivity: float = 0.2
    ) -> xr.Dataset:
        """Motion along the line of sight as motion down the slope; see `insarflow.downslope`."""
        return downslope(self._ds, motion, error=error, min_sensitivity=min_sensitivity)

    def sensitivity(self) -> xr.DataArray:
        """Part of a motion down the slope that the line of sight sees; see `insarflow.sensitivity`."""
        return sensitivity(self._ds)

    def observability(
        self,
        *,
        looks: float | None = None,
        min_sensitivity: float = 0.2,
        min_coherence: float = 0.3,
        sigmas: float = 2.0,
    ) -> xr.Dataset:
        """Where, and at which speeds, the stack could show a slope that moves; see `insarflow.observability`."""
        return observability(
            self._ds, looks=looks, min_sensitivity=min_sensitivity, min_coherence=min_coherence, sigmas=sigmas
        )  # fmt: skip

    def export(
        self,
        out: str | Path,
        *,
        to: str,
        variables: Sequence[str] | None = None,
        inventory: str | Path | None = None,
        overwrite: bool = False,
    ) -> Exported:
        """Write files that other programs open: cog, netcdf, qgis, mintpy, stac; see `insarflow.export_stack`."""
        return export_stack(self._ds, out, to=to, variables=variables, inventory=inventory, overwrite=overwrite)

    def segment(
        self,
        model: ModelLike = "default",
        *,
        device: str | None = None,
        tile_size: int = 1024,
        channels: Sequence[str] | None = None,
        stride: int | None = None,
        output: Output = "logits",
        precision: Precision = "exact",
        mode: Mode | None = None,
        patch: int | None = None,
        offsets: int = 1,
        mask: Masks = (),
    ) -> xr.Dataset:
        """Add the probability of movement; see `insarflow.segment.segment`."""
        from insarflow.segment import segment

        return segment(
            self._ds, model, device=device, tile_size=tile_size, channels=channels, stride=stride, output=output,
            precision=precision, mode=mode, patch=patch, offsets=offsets, mask=mask,
        )  # fmt: skip

    def segment_to_zarr(
        self,
        model: ModelLike,
        out: str | Path,
        *,
        before: Recipe | None = None,
        encoding: Encoding = "float16",
        skip_bad: bool = False,
        overwrite: bool = False,
        resources: Mapping[str, float] | None = None,
        device: str | None = None,
        tile_size: int = 1024,
        channels: Sequence[str] | None = None,
        stride: int | None = None,
        output: Output = "logits",
        precision: Precision = "exact",
        mode: Mode | None = None,
        patch: int | None = None,
        offsets: int = 1,
        mask: Masks = (),
    ) -> Path | str:
        """Write the probability of movement to a store, shard by shard; see `insarflow.segment_to_zarr`."""
        from insarflow.segment import segment_to_zarr

        return segment_to_zarr(
            self._ds, model, out, before=before, encoding=encoding, skip_bad=skip_bad, overwrite=overwrite,
            resources=resources, device=device, tile_size=tile_size, channels=channels, stride=stride, output=output,
            precision=precision, mode=mode, patch=patch, offsets=offsets, mask=mask,
        )  # fmt: skip

    def summarise(self, *, threshold: float, peak: float | None = None) -> xr.Dataset:
        """One probability map from all pairs; see `insarflow.inventory.summarise`."""
        from insarflow.inventory import summarise

        return summarise(self._ds, threshold=threshold, peak=peak)

    def inventory(
        self,
        *,
        threshold: float | None = None,
        peak: float | None = None,
        low: float | None = None,
        min_area: float = 10_000.0,
        fill_holes: float = 0.0,
        simplify: float = 0.0,
        smooth: int = 0,
        measured: bool = True,
        criteria: Criteria | None = None,
    ) -> gpd.GeoDataFrame:
        """Moving slopes, outlined and measured; see `insarflow.inventory.inventory`."""
        from insarflow.inventory import inventory

        return inventory(
            self._ds, threshold=threshold, peak=peak, low=low, min_area=min_area, fill_holes=fill_holes,
            simplify=simplify, smooth=smooth, measured=measured, criteria=criteria,
        )  # fmt: skip

    def plan(
        self,
        operation: str | Callable[[xr.Dataset], xr.Dataset | xr.DataArray],
        /,
        *,
        workers: int | None = None,
        **parameters: object,
    ) -> Plan:
        """Tasks, memory, disk and time that an operation will need; see `insarflow.plan`."""
        return plan(self._ds, operation, workers=workers, **parameters)

    def apply_recipe(self, recipe: Recipe) -> xr.Dataset:
        """Apply the steps of a recipe; see `insarflow.apply_recipe`."""
        return apply_recipe(self._ds, recipe)

    def __repr__(self) -> str:
        """What the stack holds, from metadata alone."""
        from insarflow.plot import stack_text

        return stack_text(self._ds)

    def _repr_html_(self) -> str:
        """The same for notebooks."""
        from insarflow.plot import stack_html

        return stack_html(self._ds)
