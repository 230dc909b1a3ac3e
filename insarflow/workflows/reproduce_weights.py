"""Files of weights that rows start from, found by whom they fit."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from insarflow.errors import ModelError
from insarflow.learn.models.pretrained import load_pretrained
from insarflow.learn.phase import CHANNELS
from insarflow.learn.train import fresh_network
from insarflow.workflows.reproduce_table import Row

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class Weights:
    """A file of weights.

    Attributes
    ----------
    path
        Of the file.
    sha256
        Of its bytes.
    """

    path: Path
    sha256: str

    @classmethod
    def of(cls, path: Path) -> Weights:
        """A file that is there.

        Raises
        ------
        ModelError
            If it is not.
        """
        if not path.is_file():
            raise ModelError(f"pretrained must be files of weights, instead got {path}, which is none")
        with path.open("rb") as stream:
            return cls(path, hashlib.file_digest(stream, "sha256").hexdigest())

    def into(self, network: nn.Module) -> str:
        """Put them into a network, and say so.

        Raises
        ------
        ModelError
            If they are of another network, naming the first key that differs.
        """
        left = load_pretrained(network, self.path)
        drawn = f"; drawn are {', '.join(left)}" if left else ""
        return f"started from weights of {self.path.name} (sha256 {self.sha256[:12]}){drawn}"


def assigned(
    rows: Sequence[Row], files: Sequence[Path], channels: int = 3
) -> tuple[dict[str, Weights], dict[str, str]]:
    """Which file each row starts from, by the row's name; and why a row has none.

    Raises
    ------
    ModelError
        If a file is none of weights, or fits no row that is asked for, naming what differs.
    """
    found: dict[str, Weights] = {}
    wrong: dict[str, str] = {}
    given = [Weights.of(path) for path in files]
    fits: set[Path] = set()
    for row in (row for row in rows if row.pretrained):
        wrong[row.name] = "needs --pretrained, a local file of its weights"
        for weights in given:
            try:
                weights.into(fresh_network(row.network, len(CHANNELS), seed=0))
            except ModelError as error:
                wrong[row.name] = f"none of --pretrained fits: {error}"
                continue
            fits.add(weights.path)
            found.setdefault(row.name, weights)
    for weights in given:
        if weights.path not in fits:
            told = next(iter(wrong.values()), "no row that is asked for starts from weights")
            raise ModelError(f"pretrained must fit a row that is asked for, instead got {weights.path}: {told}")
    return found, {name: told for name, told in wrong.items() if name not in found}
