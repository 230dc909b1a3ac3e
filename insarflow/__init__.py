"""insarflow: from stacks of radar interferograms to maps of moving slopes.

Everything here works on xarray objects and is lazy where they are. ``ds.insar`` offers the same on a Dataset. What
needs torch or geopandas is imported on first use: `insarflow.segment`, `insarflow.inventory`, `insarflow.learn`.
"""

from importlib.metadata import version

from insarflow import accessor as accessor
from insarflow.ops.atmosphere import add_stratified, add_turbulence
from insarflow.ops.augment import add_offset, add_ramp, conjugate, decorrelate, degrade
from insarflow.ops.closure import closure_phase
from insarflow.ops.coherence import coherence
from insarflow.ops.goldstein import goldstein
from insarflow.ops.interferogram import interferogram
from insarflow.ops.multilook import multilook
from insarflow.ops.overlap import map_overlap
from insarflow.ops.phase import amplitude, phase
from insarflow.ops.phase_statistics import circular_mean, circular_std, phase_std
from insarflow.ops.recipe import apply_recipe, read_recipe
from insarflow.ops.residues import residue_count, residues
from insarflow.schema import normalise_time, validate
from insarflow.simulate.stack import simulate_stack
from insarflow.stack.assemble import pairs_table, stack_pairs
from insarflow.stack.labels import select_pair
from insarflow.stack.store import append_pairs, append_stack, build_stack, create_stack, open_stack, write_stack
from insarflow.types import Grid, Looks, Pair, Recipe

__version__ = version("insarflow")

__all__ = [
    "Grid",
    "Looks",
    "Pair",
    "Recipe",
    "add_offset",
    "add_ramp",
    "add_stratified",
    "add_turbulence",
    "amplitude",
    "append_pairs",
    "append_stack",
    "apply_recipe",
    "build_stack",
    "circular_mean",
    "circular_std",
    "closure_phase",
    "coherence",
    "conjugate",
    "create_stack",
    "decorrelate",
    "degrade",
    "goldstein",
    "interferogram",
    "map_overlap",
    "multilook",
    "normalise_time",
    "open_stack",
    "pairs_table",
    "phase",
    "phase_std",
    "read_recipe",
    "residue_count",
    "residues",
    "select_pair",
    "simulate_stack",
    "stack_pairs",
    "validate",
    "write_stack",
]
