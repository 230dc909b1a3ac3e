"""What of a table is reproduced, and from what."""

from __future__ import annotations

import os
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from insarflow.ops.checks import check_choice, check_kind, check_number, check_whole
from insarflow.workflows.reproduce_table import PUBLISHED, Table

TABLES: Final = ("isslide", "drsunet", "nava", "sim1")
"""Names of the tables there are."""

SIMULATED: Final = "simulated"
"""What the data are called that are no folder of the caller's."""


def table_of(name: str) -> Table:
    """A table by its name.

    Raises
    ------
    ValueError
        If there is no such table.
    """
    check_choice("table", name, TABLES)
    module = import_module(f"insarflow.workflows.reproduce_{name}")
    table: Table = module.TABLE
    return table


@dataclass(frozen=True)
class Reproduction:
    """What is reproduced.

    Attributes
    ----------
    table
        One of `TABLES`.
    data
        Folder of the data; None for simulated data.
    rows
        Names of rows, which are run however long they take; None for all.
    epochs
        Of every row, instead of the published number.
    pretrained
        Files of weights, for rows that start from some.
    scheme
        How the data are split: ``"published"``, or another of the table's `schemes`.
    area
        Folder of another place to score on, where the table has one.
    hours
        A row that would be trained for longer is not run, unless it is named; by default 1 without a GPU, and as long
        as it takes with one.
    seed
        Of everything that is drawn.

    Raises
    ------
    TypeError, ValueError
        Naming the parameter, what it must be and what it is.
    """

    table: str
    data: Path | None = None
    rows: tuple[str, ...] | None = None
    epochs: int | None = None
    pretrained: tuple[Path, ...] = ()
    scheme: str = PUBLISHED
    area: Path | None = None
    hours: float | None = None
    seed: int = 1

    def __post_init__(self) -> None:
        table = table_of(self.table)
        check_choice("scheme", self.scheme, table.schemes)
        check_whole("seed", self.seed, low=0)
        if self.rows is not None:
            check_kind("rows", self.rows, tuple, "names of rows")
        table.chosen(self.rows)
        if self.epochs is not None:
            check_whole("epochs", self.epochs, low=1)
        if self.hours is not None and check_number("hours", self.hours) < 0:
            raise ValueError(f"hours must be 0 or more, instead got hours={self.hours}")
        if self.area is not None and not table.area:
            raise ValueError(
                f"area must be left out, as {table.name} scores on no other place, instead got area={self.area}"
            )

    @property
    def simulated(self) -> bool:
        """Whether the data are simulated, so that nobody takes the table for a reproduction."""
        return self.data is None

    def identity(self) -> dict[str, Any]:
        """What all rows of one folder share."""
        return {
            "table": self.table,
            "data": SIMULATED if self.data is None else os.path.abspath(self.data),
            "area": None if self.area is None else os.path.abspath(self.area),
            "scheme": self.scheme,
            "epochs": self.epochs,
            "seed": self.seed,
        }
