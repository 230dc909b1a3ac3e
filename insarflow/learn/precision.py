"""With how many bits a network is trained."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import Final, Literal

import torch

Precision = Literal["32-true", "bf16-mixed"]
"""float32; or layers in bfloat16, with weights, loss and optimiser in float32."""

PRECISIONS: Final = ("auto", "32-true", "bf16-mixed")

_FLAGS: Final = {"amx_bf16", "avx512_bf16", "bf16"}
"""What Linux calls bfloat16 arithmetic of x86 (two) and ARM processors."""


def precision_for(device: str) -> Precision:
    """The faster of the two that a kind of device can do.

    Parameters
    ----------
    device
        ``"cuda"``, ``"cpu"``, ``"mps"``, ...

    Returns
    -------
    str
        ``"bf16-mixed"`` on a CUDA device with bfloat16 arithmetic, and on a CPU if Linux lists ``amx_bf16``,
        ``avx512_bf16`` or ``bf16`` among its flags; else ``"32-true"``. A processor without it emulates bfloat16, ten
        times slower than float32.
    """
    if device == "cuda":
        native = torch.cuda.is_available() and torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        native = device == "cpu" and bool(_FLAGS & processor_flags())
    return "bf16-mixed" if native else "32-true"


def processor_flags(file: str | Path = "/proc/cpuinfo") -> set[str]:
    """Flags of the first processor that Linux lists in a file; none where there is no such file."""
    if platform.system() != "Linux":
        return set()
    try:
        lines = Path(file).read_text(encoding="utf-8").splitlines()
    except OSError:
        return set()
    return next(
        (set(line.partition(":")[2].split()) for line in lines if line.startswith(("flags", "Features"))), set()
    )
