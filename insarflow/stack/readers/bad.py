"""Files of a product that are no good: an error each, or left out and listed."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from insarflow.errors import ProductError, ProductWarning

MAX_LISTED = 100
"""Most files that are named."""


class Bad:
    """What to do with bad files, and those there were.

    Attributes
    ----------
    skip
        Whether they are left out.
    files
        What is wrong with each that was.
    """

    def __init__(self, *, skip: bool = False) -> None:
        self.skip = skip
        self.files: dict[Path, str] = {}

    @contextmanager
    def file(self, path: Path) -> Iterator[None]:
        """Work on a file inside; what is wrong with it is an error, or noted."""
        try:
            yield
        except ProductError as error:
            if not self.skip:
                raise
            self.files[path] = str(error)

    def refuse(self) -> ProductError:
        """What to raise if no interferogram is left."""
        path, reason = next(iter(self.files.items()))
        others = f", and {len(self.files) - 1} more files are bad" if len(self.files) > 1 else ""
        return ProductError(f"no interferogram is left without the bad files: file={str(path)!r}: {reason}{others}")

    def warn(self) -> None:
        """Name the files that were left out, a warning each."""
        for reason in list(self.files.values())[:MAX_LISTED]:
            warnings.warn(f"left out: {reason}", ProductWarning, stacklevel=2)
        if len(self.files) > MAX_LISTED:
            warnings.warn(f"left out: {len(self.files) - MAX_LISTED} more", ProductWarning, stacklevel=2)

    def attributes(self, root: Path) -> dict[str, str]:
        """``skipped_files``: what is wrong, by file (JSON); nothing if nothing was left out."""
        if not self.files:
            return {}
        listed = {str(path.relative_to(root)): reason for path, reason in sorted(self.files.items())[:MAX_LISTED]}
        if len(self.files) > MAX_LISTED:
            listed["..."] = f"and {len(self.files) - MAX_LISTED} more"
        return {"skipped_files": json.dumps(listed)}
