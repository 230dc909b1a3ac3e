"""Every flag, once: one name, one meaning, one help text for all verbs that have it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, cast, get_args

import typer

from insarflow.cli.values import (
    number,
    parse_bbox,
    parse_day,
    parse_delays,
    parse_resolution,
    read_flag,
    read_optional,
    whole,
)
from insarflow.kernels.resample import METHODS
from insarflow.stack.codes import Encoding
from insarflow.stack.target import Method
from insarflow.types import Mode, Precision
from insarflow.workflows.selection import Building, Running, Selection

RESULT, SELECTION, PROCESSING, MACHINE, _SHOW = "Output", "Selection", "Processing", "Machine", "Display"
_REGION, _GRID = "Region", "Grid"


def flag(*names: str, what: str, panel: str, **more: Any) -> Any:
    """An option, shown in a panel of ``--help``."""
    return typer.Option(*names, help=what, rich_help_panel=panel, **more)


def epochs(show_default: str) -> Any:
    """``--epochs``, which every verb that trains has a default of its own for."""
    return flag(
        "--epochs",
        what="How often all patches are seen, at most.",
        panel=PROCESSING,
        metavar="N",
        parser=whole(1),
        show_default=show_default,
    )


def _switch(*names: str, what: str, panel: str) -> Any:
    return flag(*names, what=what, panel=panel, metavar="")


Sources = Annotated[
    list[str],
    typer.Argument(
        metavar="SOURCE...",
        help="A stack (folder, URL or zip), or a product: folder, zip, GeoTIFF or glob. Several are read as one.",
        show_default=False,
    ),
]
_output = flag("-o", "--output", what="Where the result goes.", panel=RESULT, metavar="PATH")
Output = Annotated[str, _output]
MaybeOutput = Annotated[str | None, _output]
Outputs = Annotated[list[str], _output]
Overwrite = Annotated[bool, _switch("--overwrite", what="Replace results that are already there.", panel=RESULT)]
Append = Annotated[
    bool,
    _switch("--append", what="Add the interferograms that the stack does not hold yet.", panel=RESULT),
]
Exact = Annotated[
    bool,
    _switch("--exact", what="Keep all numbers as they are, not phase as int16 and coherence as uint8.", panel=RESULT),
]
Coherence = Annotated[
    str,
    flag(
        "--coherence",
        what="Numbers that coherence is kept as: off by at most 0.002, or by 0.000008.",
        panel=RESULT,
        metavar="uint8|uint16",
    ),
]
To = Annotated[
    str,
    flag(
        "--to",
        what="Kind of the result: GeoTIFFs, NetCDF, a QGIS project, MintPy's input, a STAC catalogue, a zip.",
        panel=RESULT,
        metavar="cog|netcdf|qgis|mintpy|stac|zip",
        show_default=False,
    ),
]
Inventory = Annotated[
    str | None,
    flag("--inventory", what="GeoPackage of polygons to draw in the QGIS project.", panel=RESULT, metavar="FILE"),
]
Variables = Annotated[
    str | None,
    flag(
        "--variables",
        what="What of the stack: igram,coherence,unwrapped,dem.",
        panel=SELECTION,
        metavar="NAMES",
        show_default="all",
    ),
]
Crs = Annotated[
    str | None,
    flag(
        "--crs",
        what="CRS of the result, such as EPSG:4326.",
        panel=RESULT,
        metavar="CRS",
        show_default="that of the source",
    ),
]

Model = Annotated[
    str,
    flag("--model", what="Name of a model, or path of its .safetensors file.", panel=PROCESSING, metavar="MODEL"),
]
Recipe = Annotated[
    str,
    flag(
        "--recipe",
        what="Processing before the model: as its training data (model), none, or the steps in a JSON file.",
        panel=PROCESSING,
        metavar="model|none|FILE",
    ),
]
_resolution = flag(
    "--resolution",
    what="Size of a pixel in units of the CRS: 20, or Y,X; or, where a model runs, that of its training data (model).",
    panel=_GRID,
    metavar="SIZE|model",
    show_default="that of the source",
)
Resolution = Annotated[str | None, _resolution]
Threshold = Annotated[
    float | None,
    flag(
        "--threshold",
        what="Probability from which a pixel counts as moving.",
        panel=PROCESSING,
        metavar="P",
        parser=number(0),
        show_default="that of the model",
    ),
]
Peak = Annotated[
    float | None,
    flag(
        "--peak",
        what="Probability that some interferogram must reach somewhere in an outline.",
        panel=PROCESSING,
        metavar="P",
        parser=number(0),
        show_default="that of the model; with another --threshold, that",
    ),
]
MinArea = Annotated[
    float,
    flag(
        "--min-area",
        what="Leave out polygons smaller than this, in m².",
        panel=PROCESSING,
        metavar="M2",
        parser=number(0),
    ),
]
Device = Annotated[
    str | None,
    flag(
        "--device",
        what="Where the model runs: cpu, cuda, cuda:0.",
        panel=PROCESSING,
        metavar="DEVICE",
        show_default="the fastest there is",
    ),
]
Delays = Annotated[
    str | None, flag("--delays", what="Temporal baselines in days: 6,12.", panel=SELECTION, metavar="DAYS")
]
Size = Annotated[str, flag("--size", what="Rows and columns.", panel=_REGION, metavar="ROWS,COLUMNS")]
PixelSize = Annotated[
    float, flag("--pixel-size", what="Spacing of the pixels, in m.", panel=_REGION, metavar="M", parser=number(0))
]
Movers = Annotated[
    int,
    flag("--movers", what="Moving slopes; fewer where there is no room.", panel=_REGION, metavar="N", parser=whole(0)),
]
Acquisitions = Annotated[
    int, flag("--acquisitions", what="Images, one every 6 days.", panel=_REGION, metavar="N", parser=whole(2))
]
Interferograms = Annotated[
    str,
    flag(
        "--processing",
        what="How interferograms are made: unfiltered, isslide, looks1x4, looks4x20, looks5x20.",
        panel=_REGION,
        metavar="NAME",
    ),
]
Flight = Annotated[
    str, flag("--direction", what="Of the flight: ascending, descending.", panel=_REGION, metavar="NAME")
]
Dem = Annotated[
    str | None,
    flag(
        "--dem",
        what="GeoTIFF of heights on square pixels in m: the terrain and the grid, instead of --size and --pixel-size.",
        panel=_REGION,
        metavar="FILE",
    ),
]
Preset = Annotated[
    str,
    flag("--preset", what="What to train: default, or smoke (a minute, of no use).", panel=PROCESSING, metavar="NAME"),
]
Bank = Annotated[
    str,
    flag("--bank", what="Folder of simulated patches, used again if it is there.", panel=PROCESSING, metavar="FOLDER"),
]
Config = Annotated[
    str | None,
    flag("--config", what="Run file (YAML): data, network and parameters.", panel=PROCESSING, metavar="FILE"),
]
Resume = Annotated[bool, _switch("--resume", what="Go on after the last whole epoch.", panel=PROCESSING)]
Fast = Annotated[bool, _switch("--fast", what="Look at no pixel: leave the means out.", panel=PROCESSING)]
SkipBad = Annotated[
    bool,
    _switch("--skip-bad", what="Leave out what is damaged or there twice, and list it.", panel=SELECTION),
]
HashFiles = Annotated[
    bool,
    _switch("--hash-files", what="Know files by all their bytes, not by size, time and first bytes.", panel=PROCESSING),
]
Start = Annotated[
    str | None, flag("--start", what="First acquisition day, such as 2021-07-03.", panel=SELECTION, metavar="DATE")
]
Seed = Annotated[
    int,
    flag("--seed", what="Which region: the same seed, the same region.", panel=_REGION, metavar="N", parser=whole(0)),
]
Resources = Annotated[
    str | None,
    flag(
        "--resources",
        what="What a worker of a dask scheduler must have to be given work: GPU=1.",
        panel=MACHINE,
        metavar="NAME=N",
    ),
]
Workers = Annotated[
    int | None,
    flag(
        "--workers",
        what="How many work at the same time.",
        panel=MACHINE,
        metavar="N",
        parser=whole(1),
        show_default="one per core",
    ),
]
DryRun = Annotated[
    bool,
    _switch("--dry-run", what="Say how many tasks, how much memory, disk and time; write nothing.", panel=MACHINE),
]
Json = Annotated[bool, _switch("--json", what="Print facts as JSON.", panel=_SHOW)]
Quiet = Annotated[bool, _switch("-q", "--quiet", what="Print errors, facts asked for, and nothing else.", panel=_SHOW)]
Verbose = Annotated[bool, _switch("-v", "--verbose", what="Tell more, and where an error comes from.", panel=_SHOW)]


@dataclass(frozen=True)
class Select:
    """The flags that select a part of the source."""

    bbox: Annotated[
        str | None,
        flag(
            "--bbox",
            what="West, south, east, north in degrees of longitude and latitude.",
            panel=SELECTION,
            metavar="W,S,E,N",
        ),
    ] = None
    aoi: Annotated[
        str | None,
        flag(
            "--aoi",
            what="GeoPackage, GeoJSON or Shapefile: nothing outside its polygons is used.",
            panel=SELECTION,
            metavar="FILE",
        ),
    ] = None
    start: Start = None
    end: Annotated[
        str | None, flag("--end", what="Last acquisition day, such as 2021-08-20.", panel=SELECTION, metavar="DATE")
    ] = None
    delays: Delays = None
    track: Annotated[
        int | None,
        flag("--track", what="Relative orbit that the data must be of.", panel=SELECTION, metavar="N", parser=whole(1)),
    ] = None

    def keywords(self) -> Selection:
        """What was asked for, as `insarflow.open_stack` takes it."""
        chosen = Selection(
            bbox=read_optional("--bbox", self.bbox, parse_bbox),
            aoi=read_optional("--aoi", self.aoi, str),
            start=read_optional("--start", self.start, parse_day),
            end=read_optional("--end", self.end, parse_day),
            delays=read_optional("--delays", self.delays, parse_delays),
            track=self.track,
        )
        for name in [name for name, value in chosen.items() if value is None]:
            del chosen[name]  # type: ignore[misc]
        return chosen


@dataclass(frozen=True)
class Regrid:
    """The flags that say which grid a stack is brought to."""

    grid: Annotated[
        str | None,
        flag(
            "--grid",
            what="Pixels of the stack: of all images, those that they share, or as of a GeoTIFF or a stack.",
            panel=_GRID,
            metavar="union|intersection|PATH",
        ),
    ] = None
    resolution: Resolution = None
    crs: Crs = None
    method: Annotated[
        str | None,
        flag(
            "--method",
            what="How values between pixels are found.",
            panel=_GRID,
            metavar="nearest|bilinear|cubic",
            show_default="bilinear",
        ),
    ] = None

    def keywords(self, selection: Selection, *, skip_bad: bool, hash_files: bool = False) -> Building:
        """What was asked for beside a selection, as `insarflow.build_stack` takes it."""
        if self.method is not None and self.method not in METHODS:
            raise typer.BadParameter(f"it must be one of {', '.join(METHODS)}", param_hint="--method")
        chosen = cast(Building, {**selection})
        if self.grid is not None:
            chosen["grid"] = read_flag("--grid", self.grid, str)
        if self.resolution is not None:
            chosen["resolution"] = read_flag("--resolution", self.resolution, parse_resolution)
        if self.crs is not None:
            chosen["crs"] = read_flag("--crs", self.crs, str)
        if self.method is not None:
            chosen["method"] = cast(Method, self.method)
        if skip_bad:
            chosen["skip_bad"] = True
        if hash_files:
            chosen["hash_files"] = True
        return chosen


@dataclass(frozen=True)
class Run:
    """The flags that say how a model runs over a region, and how its probabilities are kept."""

    precision: Annotated[
        str,
        flag(
            "--precision",
            what="exact (float32), or fast (bfloat16, where the hardware has it; what that costs is written down).",
            panel=PROCESSING,
            metavar="exact|fast",
        ),
    ] = "exact"
    mode: Annotated[
        str | None,
        flag(
            "--mode",
            what="For models with layers that look at the whole tile.",
            panel=PROCESSING,
            metavar="patch|blend",
        ),
    ] = None
    patch: Annotated[
        int | None,
        flag(
            "--patch",
            what="Side of the patches that such a model was trained on, in pixels.",
            panel=PROCESSING,
            metavar="N",
            parser=whole(1),
            show_default="as the model tells",
        ),
    ] = None
    offsets: Annotated[
        int,
        flag(
            "--offsets",
            what="Mean, and spread, over so many constants added to the phase; takes as many times as long.",
            panel=PROCESSING,
            metavar="N",
            parser=whole(1),
        ),
    ] = 1
    encoding: Annotated[
        str,
        flag(
            "--encoding",
            what="How probabilities are kept: uint8 (off by 0.002 at most), float16 (0.00024), float32.",
            panel=RESULT,
            metavar="KIND",
        ),
    ] = "float16"
    skip_bad: SkipBad = False

    def keywords(self) -> Running:
        """What was asked for, as `insarflow.segment_to_zarr` takes it."""
        for name, value, choices in (
            ("--precision", self.precision, get_args(Precision)),
            ("--mode", self.mode, (None, *get_args(Mode))),
            ("--encoding", self.encoding, get_args(Encoding)),
        ):
            if value not in choices:
                raise typer.BadParameter(f"it must be one of {', '.join(filter(None, choices))}", param_hint=name)
        chosen = Running(
            precision=cast(Precision, self.precision), encoding=cast(Encoding, self.encoding), offsets=self.offsets,
            skip_bad=self.skip_bad,
        )  # fmt: skip
        if self.mode is not None:
            chosen["mode"] = cast(Mode, self.mode)
        if self.patch is not None:
            chosen["patch"] = self.patch
        return chosen


@dataclass(frozen=True)
class Machine:
    """The flags that say what computes."""

    scheduler: Annotated[
        str | None,
        flag(
            "--scheduler",
            what="Who computes: threads, sync (one after the other), or a dask scheduler at tcp://host:port.",
            panel=MACHINE,
            metavar="NAME",
            show_default="threads",
        ),
    ] = None
    workers: Workers = None
    memory: Annotated[
        str | None,
        flag(
            "--memory",
            what="Upper limit, such as 4GB: fewer workers are used if need be.",
            panel=MACHINE,
            metavar="SIZE",
        ),
    ] = None
