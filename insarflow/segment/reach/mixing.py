"""Which elementary operations of a network look at the whole tile.

An operation is known by what it did in three runs: on a tile, on one twice as high, and on one twice as wide. A
dimension that grew with the tile lies in space, whatever became of its place: ``"y"``, ``"x"`` or, flattened, ``"yx"``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

Shape = tuple[int, ...]
Label = str

_REDUCTIONS: Final = frozenset(
    (
        "mean",
        "sum",
        "nansum",
        "prod",
        "amax",
        "amin",
        "max",
        "min",
        "aminmax",
        "argmax",
        "argmin",
        "var",
        "std",
        "var_mean",
        "std_mean",
        "logsumexp",
        "norm",
        "linalg_vector_norm",
        "median",
        "nanmedian",
        "mode",
        "kthvalue",
        "any",
        "all",
        "count_nonzero",
        "cumsum",
        "cumprod",
        "logcumsumexp",
        "cummax",
        "cummin",
        "sort",
        "topk",
        "argsort",
        "_softmax",
        "_log_softmax",
        "_safe_softmax",
        "softmax",
        "log_softmax",
        "_fft_r2c",
        "_fft_c2r",
        "_fft_c2c",
    )
)
_LAST_NORMS: Final = frozenset(("native_layer_norm", "layer_norm", "_fused_rms_norm", "rms_norm"))
_GROUP_NORMS: Final = frozenset(("native_group_norm", "group_norm"))
_PRODUCTS: Final = {
    "mm": "self",
    "bmm": "self",
    "mv": "self",
    "dot": "self",
    "matmul": "self",
    "linear": "input",
    "addmm": "mat1",
    "addmv": "mat",
    "baddbmm": "batch1",
    "addbmm": "batch1",
}
"""The operand whose last dimension is summed over."""


@dataclass(frozen=True)
class Operation:
    """One elementary operation: its name, what it was given by name (a tensor as its shape) and what it gave."""

    name: str
    arguments: Mapping[str, object]
    output: Shape | None


def label(shapes: Sequence[Shape]) -> tuple[Label, ...]:
    """How each dimension grew: shapes of one tensor in the runs on a tile, a higher and a wider one."""
    plain, higher, wider = shapes
    if not len(plain) == len(higher) == len(wider):
        return ("",) * len(plain)
    return tuple("y" * (h != p) + "x" * (w != p) for p, h, w in zip(plain, higher, wider, strict=True))


def mixed(runs: Sequence[Operation]) -> Label:
    """The directions over which one operation, seen in the three runs, looks at the whole tile: ``""`` if none."""
    name, arguments = runs[0].name, runs[0].arguments
    if name in _PRODUCTS:
        return _join(_labels(runs, _PRODUCTS[name])[-1:])
    if name in _REDUCTIONS:
        return _join(_along(_labels(runs, "self"), arguments.get("dim")))
    if name in _LAST_NORMS:
        normalised = arguments.get("normalized_shape")
        return _join(_labels(runs, "input")[-len(normalised) :]) if isinstance(normalised, list | tuple) else ""
    if name in _GROUP_NORMS:
        return _join(_labels(runs, "input")[2:])
    if "batch_norm" in name:
        return _join(_labels(runs, "input")) if arguments.get("training") else ""
    if "scaled_dot_product" in name:
        return _join(_labels(runs, "key")[-2:-1])
    if name == "convolution":
        return _join(_labels(runs, "weight")[2:])
    if "pool" in name or name.startswith("upsample"):
        return _to_fixed_size(runs)
    return ""


def stretched(runs: Sequence[Operation]) -> bool:
    """Whether an operation interpolates corner to corner, so that its positions depend on the tile's size."""
    corners = runs[0].arguments.get("align_corners")
    return runs[0].name.startswith("upsample") and corners is True and any(_labels(runs, "self"))


def _labels(runs: Sequence[Operation], argument: str) -> tuple[Label, ...]:
    shapes = [r.arguments.get(argument) for r in runs]
    return label([s for s in shapes if isinstance(s, tuple)]) if all(isinstance(s, tuple) for s in shapes) else ()


def _along(labels: tuple[Label, ...], dims: object) -> Iterable[Label]:
    if isinstance(dims, int):
        dims = [dims]
    if not isinstance(dims, list | tuple) or not dims:
        return labels
    return [labels[d] for d in dims if labels]


def _to_fixed_size(runs: Sequence[Operation]) -> Label:
    outputs = [r.output for r in runs if r.output is not None]
    inside = _labels(runs, "self")
    outside = label(outputs) if len(outputs) == len(runs) else ()
    if len(inside) != len(outside):
        return ""
    return _join(i for i, o in zip(inside, outside, strict=True) if not o)


def _join(labels: Iterable[Label]) -> Label:
    found = "".join(labels)
    return "".join(axis for axis in "yx" if axis in found)
