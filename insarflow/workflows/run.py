"""What a map is made from and how, and the file ``run.yaml`` that repeats it."""

from __future__ import annotations

import datetime as dt
import os
import platform
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import yaml

from insarflow.errors import InsarError, OutputExistsError
from insarflow.inventory.checks import check_threshold
from insarflow.inventory.projection import check_crs
from insarflow.ops.checks import check_number, check_whole
from insarflow.stack.gdal import gdal_versions
from insarflow.stack.remote import is_url
from insarflow.stack.target import parse_target
from insarflow.types import JsonValue, parse_date, parse_delay
from insarflow.workflows.plain import load_plain
from insarflow.workflows.selection import Selection

RECIPES: Final = ("model", "none")
"""What may be written for a recipe, beside the path of a JSON file."""

_SECTIONS: Final = ("insarflow", "source", "parameters", "model", "versions", "results")
_PACKAGES: Final = ("insarflow", "numpy", "numba", "torch", "dask", "xarray", "zarr", "rasterio", "geopandas")
_HEAD: Final = "# A map of moving slopes. Make it again, or go on with it, with: insarflow map run.yaml\n"


@dataclass(frozen=True)
class MapRun:
    """Inputs and parameters of a map.

    Attributes
    ----------
    source
        What `insarflow.open_stack` opens: one path or pattern, or several.
    model
        Name or path of a model.
    recipe
        ``"model"``: what the model's training data went through and the data did not is applied; ``"none"``: the
        data stay as they are; or the path of a JSON file of steps, which are applied and nothing else.
    resolution
        Size of a pixel that the source is brought to before any step of the recipe, in units of its CRS: one number or
        ``(y, x)``; ``"model"`` for the size nearest to its own that the model was trained on; None for its own.
    bbox, aoi, start, end, delays, track
        The part of the source that is wanted, as of `insarflow.open_stack`; None for all of it. Delays in days.
    threshold
        Probability from which a pixel counts as moving, between 0 and 1; None for the model's.
    peak
        Probability that some interferogram must reach somewhere in an outline; None for the model's, or with another
        threshold than the model's for that.
    min_area
        Smaller polygons are left out, m^2.
    crs
        Of the polygons in ``inventory.gpkg``; None for the stack's.
    device
        As `insarflow.segment.segment`.
    tile_size
        As `insarflow.segment.segment`, pixels.

    Raises
    ------
    TypeError, ValueError
        Naming the parameter, what it must be and what it is.
    """

    source: tuple[str, ...]
    model: str = "default"
    recipe: str = "model"
    resolution: float | tuple[float, float] | Literal["model"] | None = None
    bbox: tuple[float, float, float, float] | None = None
    aoi: str | None = None
    start: str | None = None
    end: str | None = None
    delays: tuple[int, ...] | None = None
    track: int | None = None
    threshold: float | None = None
    peak: float | None = None
    min_area: float = 10_000.0
    crs: str | None = None
    device: str | None = None
    tile_size: int = 1024

    def __post_init__(self) -> None:
        if not isinstance(self.source, tuple) or not self.source:
            raise TypeError(f"source must be a tuple of paths, instead got source={self.source!r:.80}")
        for path in self.source:
            _check_text("source", path)
        for name in ("model", "recipe"):
            _check_text(name, getattr(self, name))
        for name in ("aoi", "device"):
            if getattr(self, name) is not None:
                _check_text(name, getattr(self, name))
        for name, check in _CHECKS.items():
            if getattr(self, name) is not None:
                object.__setattr__(self, name, check(name, getattr(self, name)))
        if self.crs is not None:
            check_crs(self.crs)

    @property
    def selection(self) -> Selection:
        """Keywords of `insarflow.open_stack`: those that select."""
        chosen: Selection = {}
        for name in Selection.__annotations__:
            if getattr(self, name) is not None:
                chosen[name] = getattr(self, name)  # type: ignore[literal-required]
        return chosen

    def absolute(self, folder: Path | None = None) -> MapRun:
        """The same, with absolute paths; relative ones start at `folder`, by default the current one. URLs stay."""
        base = Path.cwd() if folder is None else folder

        def full(path: str) -> str:
            return path if is_url(path) else os.path.abspath(base / os.path.expanduser(path))

        return replace(
            self,
            source=tuple(map(full, self.source)),
            aoi=None if self.aoi is None else full(self.aoi),
            recipe=self.recipe if self.recipe in RECIPES else full(self.recipe),
            model=full(self.model) if Path(self.model).suffix or os.sep in self.model else self.model,
        )

    def different(self, other: MapRun) -> list[str]:
        """Name what `other` has otherwise, as ``name=value (name=other value)``."""
        both = ((f.name, getattr(self, f.name), getattr(other, f.name)) for f in fields(self))
        return [f"{name}={ours} (there: {theirs})" for name, ours, theirs in both if ours != theirs]


def write_run(
    run: MapRun,
    path: Path,
    *,
    model: Mapping[str, JsonValue] | None = None,
    results: Mapping[str, JsonValue] | None = None,
) -> None:
    """Write a run file; it appears whole or not at all.

    Parameters
    ----------
    run
        With absolute paths.
    path
        The file; one that is there is replaced.
    model
        Facts about the model, to inform: they are not read again.
    results
        Facts about the map, likewise.

    Raises
    ------
    OutputExistsError
        If the file cannot be written.
    """
    parameters = {name: _plain(value) for name, value in asdict(run).items() if name != "source"}
    sections: dict[str, Any] = {
        "insarflow": "map",
        "source": list(run.source),
        "parameters": parameters,
        "model": dict(model or {}),
        "versions": dict(software()),
        "results": None if results is None else dict(results),
    }
    write_sections(path, _HEAD, sections)


def write_sections(path: Path, head: str, sections: Mapping[str, Any]) -> None:
    """Write those sections of a run file that hold something; it appears whole or not at all.

    Raises
    ------
    OutputExistsError
        If the file cannot be written.
    """
    filled = {name: value for name, value in sections.items() if value}
    text = yaml.dump(filled, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=1000)
    draft = path.with_name(path.name + ".part")
    try:
        draft.write_text(head + text, encoding="utf-8")
        draft.replace(path)
    except OSError as error:
        raise OutputExistsError(f"{path} cannot be written: {error.strerror}") from error


def read_run(path: str | Path) -> MapRun:
    """Read a run file, as `map_source` or a person wrote it.

    Parameters
    ----------
    path
        YAML with ``insarflow: map``, ``source`` (a path or a list of them) and ``parameters`` (those that differ from
        the defaults of `MapRun`). Relative paths start at its folder.

    Returns
    -------
    MapRun
        With absolute paths.

    Raises
    ------
    InsarError
        If the file cannot be read, is no run file, or holds a wrong key or value; naming it.
    """
    path = Path(path)
    content = load_plain(path)
    if not isinstance(content, dict) or content.get("insarflow") != "map":
        raise InsarError(f"{path} is no run file of insarflow map: it must hold the line 'insarflow: map'")
    check_keys(path, content, _SECTIONS, "")
    source, parameters = content.get("source"), content.get("parameters") or {}
    if not isinstance(parameters, dict):
        raise InsarError(f"{path}: parameters must be 'name: value' lines, instead got parameters={parameters!r:.80}")
    check_keys(path, parameters, [f.name for f in fields(MapRun) if f.name != "source"], "parameters.")
    try:
        sources = tuple(source) if isinstance(source, list) else (source,)
        given = {name: _from_yaml(value) for name, value in parameters.items()}
        defaults = {f.name: f.default for f in fields(MapRun)}
        for name, value in given.items():
            if value is None and defaults[name] is not None:
                raise TypeError(f"{name} must have a value, instead got none: remove the line")
        return MapRun(sources, **given).absolute(path.absolute().parent)
    except (TypeError, ValueError) as error:
        raise InsarError(f"{path}: {error}") from error


@cache
def software() -> dict[str, str]:
    """Versions of what a map's bits may depend on."""
    return {"python": platform.python_version(), **{name: version(name) for name in _PACKAGES}, **gdal_versions()}


class _Dumper(yaml.SafeDumper):
    """Escapes characters that nobody sees: YAML takes some of them for the end of a line."""

    def text(self, value: str) -> yaml.ScalarNode:
        """The node of a text."""
        return self.represent_scalar("tag:yaml.org,2002:str", value, style=None if value.isprintable() else '"')


_Dumper.add_representer(str, _Dumper.text)


def check_keys(path: Path, content: Mapping[Any, Any], known: tuple[str, ...] | list[str], prefix: str) -> None:
    """Refuse keys that nobody would read.

    Raises
    ------
    InsarError
        Naming the file, the key and those there are.
    """
    for key in content:
        if key not in known:
            raise InsarError(f"{path}: unknown key {f'{prefix}{key}'!r:.80}; there are {', '.join(known)}")


def _from_yaml(value: Any) -> Any:
    """Lists as tuples, dates as text: YAML reads 2018-07-02 as a date."""
    if isinstance(value, list):
        return tuple(value)
    return value.isoformat() if isinstance(value, dt.date) else value


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _check_text(name: str, value: object) -> None:
    if not isinstance(value, str) or not value.strip():
        raise TypeError(f"{name} must be a text that is not empty, instead got {name}={value!r:.80}")


def _bbox(name: str, value: Any) -> tuple[float, ...]:
    if not isinstance(value, tuple) or len(value) != 4:
        raise TypeError(f"{name} must be (west, south, east, north) in degrees, instead got {name}={value!r:.80}")
    return tuple(check_number(name, number) for number in value)


def _day(name: str, value: Any) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)  # YAML reads 20180702 as a number
    try:
        return str(parse_date(value).astype("datetime64[D]"))
    except (TypeError, ValueError) as error:
        raise type(error)(f"{name}: {error}") from error


def _delays(name: str, value: Any) -> tuple[int, ...]:
    if not isinstance(value, tuple) or not value:
        raise TypeError(f"{name} must be a list of days such as 6, 12, instead got {name}={value!r:.80}")
    return tuple(int(parse_delay(delay) / np.timedelta64(1, "D")) for delay in value)


def _resolution(name: str, value: Any) -> Any:
    if isinstance(value, str) and value != "model":
        raise ValueError(f"{name} must be a size, two as (y, x), or 'model', instead got {name}={value!r:.80}")
    if value != "model":
        parse_target(None, value, None, None)
    return value


def _area(name: str, value: Any) -> float:
    number = check_number(name, value)
    if number < 0.0:
        raise ValueError(f"{name} must be 0 m^2 or more, instead got {name}={value}")
    return number


_CHECKS: Final[Mapping[str, Callable[[str, Any], object]]] = {
    "resolution": _resolution,
    "bbox": _bbox,
    "start": _day,
    "end": _day,
    "delays": _delays,
    "track": lambda name, value: check_whole(name, value, low=1),
    "threshold": lambda _, value: check_threshold(value),
    "peak": lambda name, value: check_threshold(value, name=name),
    "min_area": _area,
    "tile_size": lambda name, value: check_whole(name, value, low=1),
}
