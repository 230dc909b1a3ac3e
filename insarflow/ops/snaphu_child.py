"""SNAPHU in a process of its own: run as a script, which loads nothing of insarflow.

The library lets SNAPHU write to standard output, which in the caller's process belongs to the caller.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path


def main(folder: Path) -> None:
    """Unwrap ``igram.npy`` of a folder and leave ``unwrapped.npy`` and ``components.npy`` in it."""
    import numpy as np
    import snaphu

    options = json.loads((folder / "options.json").read_text(encoding="utf-8"))
    igram, coherence, mask = (np.load(folder / f"{name}.npy", mmap_mode="r") for name in ("igram", "coherence", "mask"))
    scratch = folder / "scratch"
    scratch.mkdir()
    unwrapped, components = snaphu.unwrap(igram, coherence, mask=mask, scratchdir=scratch, **options)
    np.save(folder / "unwrapped.npy", unwrapped)
    np.save(folder / "components.npy", components)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
