"""What a bug report needs: versions of everything that may matter, and the machine. No paths, no names of people."""

from __future__ import annotations

import json
import os
import platform
import re
from collections.abc import Callable
from functools import partial
from importlib.metadata import PackageNotFoundError, distribution, requires, version
from pathlib import Path
from typing import Any

_TOOLS = {"hypothesis", "mypy", "pandas-stubs", "pre-commit", "pytest", "pytest-xdist", "ruff"}
"""For those who write this package, not for those who use it."""

_CGROUP = Path("/sys/fs/cgroup/memory.max")

_BELOW = {"distributed", "llvmlite"}
"""Dependencies of dependencies that reports turn on."""


def versions() -> dict[str, Any]:
    """Versions of this package and of what it stands on, the machine, and the models that come with the package.

    Returns
    -------
    dict
        That JSON can hold; sections ``insarflow``, ``machine``, ``gpu``, ``raster``, ``models`` (name and sha256) and
        ``packages`` (every direct dependency). What cannot be asked, because a package is missing or broken, says
        so in its place: this raises nothing.
    """
    return {
        "insarflow": {"version": version("insarflow"), "installed": _asked(_installed)},
        "machine": _asked(_machine),
        "gpu": _asked(_gpu),
        "raster": _asked(_raster),
        "models": _asked(_models),
        "packages": {name: _asked(partial(version, name)) for name in _dependencies()},
    }


def _asked(question: Callable[[], Any]) -> Any:
    """The answer, or why there is none."""
    try:
        return question()
    except PackageNotFoundError:
        return "not installed"
    # A broken package may raise anything when it is imported, and then it is what the report is about.
    except Exception as error:
        reason = " ".join(str(error).split()).replace(str(Path.home()), "~")
        return f"broken: {type(error).__name__}: {reason}"


def _installed() -> str:
    text = distribution("insarflow").read_text("direct_url.json")
    return "editable" if text and json.loads(text).get("dir_info", {}).get("editable") else "package"


def _memory() -> int | None:
    """Memory that this process may have at most, bytes; None where the system does not say."""
    try:
        total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return None
    try:
        return min(total, int(_CGROUP.read_text()))
    except (OSError, ValueError):
        return total


def _machine() -> dict[str, Any]:
    memory = _memory()
    return {
        "python": platform.python_version(),
        "system": platform.platform(),
        "processor": platform.machine(),
        "cpus": os.cpu_count(),
        "memory_gb": None if memory is None else round(memory / 1e9, 1),
    }


def _gpu() -> dict[str, str]:
    from insarflow.segment.device import gpu_facts

    return gpu_facts()


def _raster() -> dict[str, str]:
    from insarflow.stack.gdal import gdal_versions

    return gdal_versions()


def _models() -> dict[str, str]:
    from insarflow.learn.weights import list_named_models, load_card

    return {name: load_card(name).sha256 for name in list_named_models()}


def _dependencies() -> list[str]:
    """Names of all direct dependencies, those of the extras among them."""
    found = {re.split(r"[^A-Za-z0-9._-]", line, maxsplit=1)[0] for line in requires("insarflow") or ()}
    return sorted((found | _BELOW) - {"insarflow"} - _TOOLS)
