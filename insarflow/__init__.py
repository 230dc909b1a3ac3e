"""insarflow: from stacks of radar interferograms to maps of moving slopes.

Everything here works on xarray objects and is lazy where they are. ``ds.insar`` offers the same on a Dataset. What
needs torch or geopandas is imported on first use: `insarflow.learn`, `insarflow.datasets`, `insarflow.segment`,
`insarflow.inventory`, and what stands under ``TYPE_CHECKING`` below.
"""

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING

from insarflow import accessor as accessor
from insarflow.ops.atmosphere import add_stratified, add_turbulence
from insarflow.ops.augment import add_offset, add_ramp, conjugate, decorrelate, degrade
from insarflow.ops.average import average
from insarflow.ops.closure import closure_phase
from insarflow.ops.coherence import coherence
from insarflow.ops.decompose import decompose
from insarflow.ops.deramp import deramp, ramps
from insarflow.ops.downslope import downslope, sensitivity
from insarflow.ops.goldstein import goldstein
from insarflow.ops.interferogram import interferogram
from insarflow.ops.multilook import multilook
from insarflow.ops.observability import observability
from insarflow.ops.overlap import map_overlap
from insarflow.ops.pair_statistics import pair_statistics
from insarflow.ops.phase import amplitude, phase
from insarflow.ops.phase_statistics import circular_mean, circular_std, phase_std
from insarflow.ops.recipe import apply_recipe, read_recipe
from insarflow.ops.reference import reference
from insarflow.ops.residues import residue_count, residues
from insarflow.ops.stacking import stacking_rate
from insarflow.ops.stratified import remove_stratified, stratification
from insarflow.ops.timeseries import timeseries
from insarflow.ops.unwrap import unwrap
from insarflow.schema import normalise_time, validate
from insarflow.simulate.stack import simulate_stack
from insarflow.stack.assemble import pairs_table, stack_pairs
from insarflow.stack.dem import add_dem
from insarflow.stack.labels import select_pair
from insarflow.stack.pairs import from_pairs, to_pairs
from insarflow.stack.same_day import same_end, same_start
from insarflow.stack.select import select_pairs
from insarflow.stack.store import append_pairs, append_stack, build_stack, create_stack, open_stack, write_stack
from insarflow.stack.terrain import terrain
from insarflow.stack.troposphere import open_troposphere
from insarflow.types import Grid, Looks, Pair, Recipe
from insarflow.workflows.export import export_stack
from insarflow.workflows.operation import plan

if TYPE_CHECKING:
    from insarflow.learn.labels import read_labels as read_labels
    from insarflow.learn.leakage import leakage_report as leakage_report
    from insarflow.learn.models import build_model as build_model
    from insarflow.learn.models import list_models as list_models
    from insarflow.learn.models import register_model as register_model
    from insarflow.learn.patches import PatchDataset as PatchDataset
    from insarflow.learn.series import SeriesDataset as SeriesDataset
    from insarflow.learn.splits import split_by_acquisition as split_by_acquisition
    from insarflow.learn.splits import split_by_edge as split_by_edge
    from insarflow.learn.splits import split_by_name as split_by_name
    from insarflow.learn.splits import split_by_region as split_by_region
    from insarflow.learn.splits import split_by_time as split_by_time
    from insarflow.learn.weights import load_model as load_model
    from insarflow.segment import check_seams as check_seams
    from insarflow.segment import reach as reach
    from insarflow.segment import save_model as save_model
    from insarflow.segment import segment_to_zarr as segment_to_zarr

__version__ = version("insarflow")

_ON_USE = {
    **dict.fromkeys(("check_seams", "reach", "save_model", "segment_to_zarr"), "insarflow.segment"),
    **dict.fromkeys(("build_model", "list_models", "register_model"), "insarflow.learn.models"),
    **dict.fromkeys(
        ("split_by_acquisition", "split_by_edge", "split_by_name", "split_by_region", "split_by_time"),
        "insarflow.learn.splits",
    ),
    "PatchDataset": "insarflow.learn.patches",
    "SeriesDataset": "insarflow.learn.series",
    "leakage_report": "insarflow.learn.leakage",
    "load_model": "insarflow.learn.weights",
    "read_labels": "insarflow.learn.labels",
}


_FOLDERS = ("datasets", "inventory", "learn", "segment")


def __getattr__(name: str) -> object:
    """What loads torch or geopandas, on first use."""
    if name in _FOLDERS:
        return import_module(f"insarflow.{name}")
    if name in _ON_USE:
        found: object = getattr(import_module(_ON_USE[name]), name)
        return found
    raise AttributeError(f"module 'insarflow' has no attribute {name!r}")


__all__ = [
    "Grid",
    "Looks",
    "Pair",
    "Recipe",
    "add_dem",
    "add_offset",
    "add_ramp",
    "add_stratified",
    "add_turbulence",
    "amplitude",
    "append_pairs",
    "append_stack",
    "apply_recipe",
    "average",
    "build_stack",
    "circular_mean",
    "circular_std",
    "closure_phase",
    "coherence",
    "conjugate",
    "create_stack",
    "decompose",
    "decorrelate",
    "degrade",
    "deramp",
    "downslope",
    "export_stack",
    "from_pairs",
    "goldstein",
    "interferogram",
    "map_overlap",
    "multilook",
    "normalise_time",
    "observability",
    "open_stack",
    "open_troposphere",
    "pair_statistics",
    "pairs_table",
    "phase",
    "phase_std",
    "plan",
    "ramps",
    "read_recipe",
    "reference",
    "remove_stratified",
    "residue_count",
    "residues",
    "same_end",
    "same_start",
    "select_pair",
    "select_pairs",
    "sensitivity",
    "simulate_stack",
    "stack_pairs",
    "stacking_rate",
    "stratification",
    "terrain",
    "timeseries",
    "to_pairs",
    "unwrap",
    "validate",
    "write_stack",
]
