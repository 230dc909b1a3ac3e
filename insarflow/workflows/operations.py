"""The operations that `insarflow.plan` knows by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import xarray as xr

from insarflow.ops.average import average
from insarflow.ops.closure import closure_phase
from insarflow.ops.deramp import ramps
from insarflow.ops.downslope import downslope, sensitivity
from insarflow.ops.observability import observability
from insarflow.ops.pair_statistics import pair_statistics
from insarflow.ops.phase import amplitude, phase
from insarflow.ops.phase_statistics import circular_mean, circular_std, phase_std
from insarflow.ops.recipe import OPERATIONS, apply_recipe
from insarflow.ops.residues import residue_count, residues
from insarflow.ops.stacking import stacking_rate
from insarflow.ops.stratified import stratification
from insarflow.ops.timeseries import timeseries
from insarflow.ops.unwrap import unwrap
from insarflow.stack.dem import add_dem
from insarflow.stack.pairs import from_pairs, to_pairs
from insarflow.stack.same_day import same_end, same_start
from insarflow.stack.select import select_pairs
from insarflow.stack.terrain import terrain


def operations() -> dict[str, Callable[..., Any]]:
    """Functions of a stack, by the name that they have on ``ds.insar``; and ``write``."""
    return {
        **OPERATIONS,
        "add_dem": add_dem,
        "amplitude": amplitude,
        "apply_recipe": apply_recipe,
        "average": average,
        "circular_mean": circular_mean,
        "circular_std": circular_std,
        "closure_phase": closure_phase,
        "downslope": downslope,
        "from_pairs": from_pairs,
        "observability": observability,
        "pair_statistics": pair_statistics,
        "phase": phase,
        "phase_std": phase_std,
        "ramps": ramps,
        "residue_count": residue_count,
        "residues": residues,
        "same_end": same_end,
        "same_start": same_start,
        "segment": _segment,
        "select_pairs": select_pairs,
        "sensitivity": sensitivity,
        "stacking_rate": stacking_rate,
        "stratification": stratification,
        "summarise": _summarise,
        "terrain": terrain,
        "timeseries": timeseries,
        "to_pairs": to_pairs,
        "unwrap": unwrap,
        "write": _as_it_is,
    }


def _segment(ds: xr.Dataset, **parameters: Any) -> xr.Dataset:
    from insarflow.segment import segment  # loads torch

    return segment(ds, **parameters)


def _summarise(ds: xr.Dataset, **parameters: Any) -> xr.Dataset:
    from insarflow.inventory import summarise  # loads geopandas

    return summarise(ds, **parameters)


def _as_it_is(ds: xr.Dataset) -> xr.Dataset:
    return ds
