"""Text files that processors put beside their rasters: GAMMA's ``key: value unit`` lines, ROI_PAC's ``KEY value``."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from insarflow.errors import ProductError
from insarflow.stack.archive import read_starts

MAX_BYTES = 8 * 2**20
"""Largest file that is read."""


class Fields:
    """The fields of a parameter file.

    Parameters
    ----------
    path
        The file.
    separator
        What stands between a key and its value; None is space.

    Raises
    ------
    ProductError
        If the file cannot be read.
    """

    def __init__(self, path: Path, separator: str | None = ":") -> None:
        self.path = path
        lines = (line.split(separator, 1) for line in read_text(path).splitlines())
        self.values = {line[0].strip(): line[1].strip() for line in lines if len(line) == 2}

    def text(self, key: str) -> str:
        """All that follows a key, empty where the field is missing."""
        return self.values.get(key, "")

    def known(self, key: str) -> float | None:
        """One number, None where the field is missing."""
        return self.number(key) if key in self.values else None

    def number(self, key: str) -> float:
        """One number.

        Raises
        ------
        ProductError
            If the field is missing or no number.
        """
        return self.numbers(key, 1)[0]

    def numbers(self, key: str, count: int) -> list[float]:
        """As many numbers as asked for.

        Raises
        ------
        ProductError
            If the field is missing, or holds fewer, or none that are finite.
        """
        words = self.text(key).split()[:count]
        try:
            numbers = [float(w) for w in words]
        except ValueError:
            numbers = []
        if len(numbers) != count or not np.isfinite(numbers).all():
            raise ProductError(
                f"file={str(self.path)!r} must have {count} numbers in the field {key!r}, "
                f"instead got {self.text(key)!r:.80}"
            )
        return numbers


def read_text(path: Path) -> str:
    """Read a text file of bounded size.

    Raises
    ------
    ProductError
        If it cannot be read, or is larger than such files are.
    """
    try:
        content = next(read_starts([path], MAX_BYTES + 1))
    except OSError as error:
        raise ProductError(f"file={str(path)!r} cannot be read: {error.strerror}") from error
    if len(content) > MAX_BYTES:
        raise ProductError(f"file={str(path)!r} must be a parameter file, instead it has over {MAX_BYTES} bytes")
    return content.decode("ascii", errors="replace")
