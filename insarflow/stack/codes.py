"""Images kept as whole numbers on disk: a fifth of the space, and read many times as fast.

Whoever opens a store with plain xarray sees the decoded phase and coherence (the CF conventions' ``scale_factor`` and
``_FillValue``); `insarflow.open_stack` gives the contract's ``igram`` and ``coherence``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, Literal, get_args

import numpy as np

from insarflow.kernels.codes import (
    PHASE_MISSING,
    PHASE_STEP,
    decode_fraction,
    decode_phase,
    encode_fraction,
    encode_phase,
    fraction_step,
)
from insarflow.ops.checks import check_choice
from insarflow.types import Recipe

KEEPS_UNIT: Final = frozenset({
    "read", "subset", "align", "merge_swaths", "line_of_sight", "add_offset", "add_ramp", "conjugate",
    "add_turbulence", "add_stratified", "coherence", "append", "resample", "resample_dem", "select_pairs", "unwrap",
    "deramp", "reference", "remove_stratified", "terrain", "add_dem",
})  # fmt: skip
"""Operations after which an interferogram of phase alone still is one."""


@dataclass(frozen=True)
class Code:
    """How an image variable is kept.

    Attributes
    ----------
    stored
        Name of the array on disk.
    dtype
        Of its numbers.
    missing
        The number that means "missing".
    step
        What a number is multiplied by; None if numbers are what they say.
    error
        What decoded values are off by at most.
    encode, decode
        From the contract's values to numbers, and back.
    attrs
        More attributes of the array.
    """

    stored: str
    dtype: str
    missing: float
    step: float | None
    error: float
    encode: Callable[[np.ndarray], np.ndarray]
    decode: Callable[[np.ndarray], np.ndarray]
    attrs: Mapping[str, Any] = field(default_factory=dict)

    def attributes(self) -> dict[str, Any]:
        """Attributes that tell any reader how to decode the numbers."""
        scale = {} if self.step is None else {"scale_factor": self.step, "_FillValue": self.missing}
        return {**self.attrs, **scale, "quantisation_error": self.error}


Kind = Literal["uint8", "uint16"]
"""Numbers that coherence is kept as."""


Encoding = Literal["float32", "float16", "uint8"]
"""Numbers that a probability is kept as."""


def _fraction(name: str, kind: Kind) -> Code:
    missing, step, encode = int(np.iinfo(kind).max), fraction_step(kind), partial(encode_fraction, dtype=kind)
    return Code(name, kind, missing, step, step / 2, encode, decode_fraction)


def _half(name: str) -> Code:
    """Numbers from 0 to 1 as float16."""
    return Code(name, "float16", np.nan, None, 2.0**-12, partial(_as, dtype="float16"), partial(_as, dtype="float32"))


def _as(values: np.ndarray, dtype: str) -> np.ndarray:
    return values.astype(dtype)


PHASE: Final = Code(
    "phase", "int16", PHASE_MISSING, PHASE_STEP, PHASE_STEP / 2, encode_phase, decode_phase,
    {"units": "rad", "long_name": "wrapped phase, positive away from the satellite"},
)  # fmt: skip
COHERENCE: Final[Mapping[Kind, Code]] = {kind: _fraction("coherence", kind) for kind in get_args(Kind)}
PROBABILITY: Final[Mapping[str, tuple[Code, ...]]] = {
    name: (_half(name), _fraction(name, "uint8")) for name in ("probability", "probability_std")
}
CODES: Final[Mapping[str, tuple[Code, ...]]] = {
    "igram": (PHASE,), "coherence": tuple(COHERENCE.values()), **PROBABILITY,
}  # fmt: skip
"""Ways to keep a variable of the contract."""


def codes_for(names: Iterable[str], coherence: Kind) -> dict[str, Code]:
    """How the variables of a product of phase alone are kept as codes."""
    codes = {"igram": PHASE, "coherence": COHERENCE[coherence]}
    return {name: codes[name] for name in names if name in codes}


def codes_for_probability(encoding: Encoding) -> dict[str, Code]:
    """How probabilities are kept."""
    return {name: code for name, codes in PROBABILITY.items() for code in codes if code.dtype == encoding}


def check_kind_of_coherence(coherence: str, *, exact: bool = False) -> None:
    """Check how coherence is to be kept.

    Raises
    ------
    ValueError
        If it is an unknown kind of numbers, or all numbers are to be kept as they are and it is not the default.
    """
    check_choice("coherence", coherence, get_args(Kind))
    if exact and coherence != "uint8":
        raise ValueError(f"exact must be False to keep coherence as codes, instead got coherence={coherence!r}")


def phase_only(recipe: Recipe) -> bool:
    """Whether the interferograms are known to have magnitude one."""
    read = recipe.of("read")
    return bool(read) and all(step.get("interferogram") == "phase" for step in read) and all(map(_keeps, recipe.steps))


def _keeps(step: Mapping[str, Any]) -> bool:
    operation = step.get("operation")
    if operation == "goldstein":
        return step.get("amplitude") in ("input", "unit")
    return operation in KEEPS_UNIT


def stored_codes(arrays: Mapping[str, Any]) -> dict[str, Code]:
    """How the variables of a store are kept, from its arrays by name."""
    return {
        name: code
        for name, codes in CODES.items()
        for code in codes
        if code.stored in arrays and arrays[code.stored].dtype == np.dtype(code.dtype)
    }
