"""What a model is trained on and how, and the file ``run.yaml`` that repeats it."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields, replace
from pathlib import Path
from typing import Any, Final

from insarflow.errors import InsarError
from insarflow.learn.models import list_models
from insarflow.learn.orientation import checked
from insarflow.learn.phase import CHANNELS
from insarflow.learn.training import Training
from insarflow.ops.checks import check_choice, check_kind
from insarflow.stack.remote import is_url
from insarflow.types import JsonValue
from insarflow.workflows.plain import load_plain
from insarflow.workflows.run import check_keys, software, write_sections
from insarflow.workflows.train_data import Labelled, Simulated, check_text

_SECTIONS: Final = ("insarflow", "data", "model", "training", "versions", "results")
_HEAD: Final = "# A training. Make it again, or go on with it, with: insarflow train --config run.yaml\n"


FINE_TUNING: Final = Training(epochs=12, batch_size=16, learning_rate=3e-4, schedule="cosine", patience=4, keep="best")
"""A low rate, few epochs, and the best of them: enough to move a model that knows its subject."""

FROM_NOTHING: Final = Training(epochs=60, batch_size=16, patience=15, keep="best")
"""For labels of one's own and drawn weights."""


@dataclass(frozen=True)
class TrainRun:
    """A training: data, network and parameters.

    Attributes
    ----------
    data
        `Simulated` scenes or `Labelled` stacks.
    training
        Parameters.
    architecture
        One of `insarflow.learn.models.list_models`.
    channels
        Names of the input channels, in order.
    start
        Name or path of a model to fine-tune (``from`` in a file); None to start from drawn weights.

    Raises
    ------
    TypeError, ValueError
        Naming the parameter, what it must be and what it is.
    """

    data: Simulated | Labelled
    training: Training
    architecture: str = "resunet"
    channels: tuple[str, ...] = CHANNELS
    start: str | None = None

    def __post_init__(self) -> None:
        check_kind("model.architecture", self.architecture, str, "the name of a network")
        check_choice("model.architecture", self.architecture, tuple(list_models()))
        if not isinstance(self.channels, tuple) or not all(isinstance(name, str) for name in self.channels):
            raise TypeError(f"model.channels must be a list of names, instead got model.channels={self.channels!r:.80}")
        checked(self.channels)
        self.training.check_channels(self.channels)
        if isinstance(self.data, Simulated) and self.channels != CHANNELS:
            raise ValueError(f"model.channels must be {CHANNELS} for simulated data, instead got {self.channels}")
        if self.start is not None:
            check_text("model.from", self.start)

    def absolute(self, folder: Path | None = None) -> TrainRun:
        """The same, with absolute paths; relative ones start at `folder`, by default the current one. URLs stay."""
        base = Path.cwd() if folder is None else folder

        def full(path: str) -> str:
            return path if is_url(path) else os.path.abspath(base / os.path.expanduser(path))

        data = self.data.absolute(full)
        is_file = self.start is not None and (Path(self.start).suffix or os.sep in self.start)
        return replace(self, data=data, start=full(self.start) if is_file and self.start else self.start)


def write_train_run(run: TrainRun, path: Path, *, results: Mapping[str, JsonValue] | None = None) -> None:
    """Write a run file; it appears whole or not at all.

    Parameters
    ----------
    run
        With absolute paths.
    path
        The file; one that is there is replaced.
    results
        Facts about the model, to inform: they are not read again.

    Raises
    ------
    OutputExistsError
        If the file cannot be written.
    """
    data = {f.name: getattr(run.data, f.name) for f in fields(run.data)}
    sections: dict[str, Any] = {
        "insarflow": "train",
        "data": {name: _plain(value) for name, value in data.items()},
        "model": {"architecture": run.architecture, "channels": list(run.channels), "from": run.start},
        "training": run.training.plain(),
        "versions": dict(software()),
        "results": None if results is None else dict(results),
    }
    write_sections(path, _HEAD, sections)


def read_train_run(path: str | Path) -> TrainRun:
    """Read a run file, as a training or a person wrote it.

    Parameters
    ----------
    path
        YAML with ``insarflow: train``; ``data``, attributes of `Simulated` or `Labelled`; ``model``: ``architecture``,
        ``channels`` and ``from``; ``training``: ``epochs`` and what else differs from the defaults of `Training`.
        Relative paths start at its folder.

    Returns
    -------
    TrainRun
        With absolute paths.

    Raises
    ------
    InsarError
        If the file cannot be read, is no run file, or holds a wrong key or value; naming it.
    """
    path = Path(path)
    content = load_plain(path)
    if not isinstance(content, dict) or content.get("insarflow") != "train":
        raise InsarError(f"{path} is no run file of insarflow train: it must hold the line 'insarflow: train'")
    check_keys(path, content, _SECTIONS, "")
    data, model = _section(path, content, "data"), _section(path, content, "model")
    training = _section(path, content, "training")
    kind = Labelled if "stacks" in data else Simulated
    check_keys(path, data, [f.name for f in fields(kind)], "data.")
    check_keys(path, model, ["architecture", "channels", "from"], "model.")
    check_keys(path, training, [f.name for f in fields(Training)], "training.")
    _require(path, data, kind, "data.")
    _require(path, training, Training, "training.")
    given = {"start" if name == "from" else name: _tupled(value) for name, value in model.items()}
    try:
        augmentations = training.get("augmentations")
        if isinstance(augmentations, dict):  # 'offset:' alone stands for its defaults
            training["augmentations"] = {n: {} if p is None else p for n, p in augmentations.items()}
        made = kind(**{name: _tupled(value) for name, value in data.items()})
        return TrainRun(made, Training(**training), **given).absolute(path.absolute().parent)
    except (TypeError, ValueError) as error:
        raise InsarError(f"{path}: {error}") from error


def _section(path: Path, content: Mapping[str, Any], name: str) -> dict[str, Any]:
    section = content.get(name) or {}
    if not isinstance(section, dict):
        raise InsarError(f"{path}: {name} must be 'name: value' lines, instead got {name}={section!r:.80}")
    return dict(section)


def _require(path: Path, section: Mapping[str, Any], kind: type[Any], prefix: str) -> None:
    """Parameters without a default must be there."""
    for field in fields(kind):
        if field.default is MISSING and field.default_factory is MISSING and field.name not in section:
            raise InsarError(f"{path}: {prefix}{field.name} is missing: add the line")


def _tupled(value: Any) -> Any:
    """Lists as tuples, days and names as text: YAML reads 2018-07-02 as a date, and a name 1 as a number."""
    if isinstance(value, list):
        return tuple(value)
    if isinstance(value, dict):
        return {str(name): item for name, item in value.items()}
    return value.isoformat() if isinstance(value, dt.date) else value


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return list(value)
    return dict(value) if isinstance(value, Mapping) else value
