"""Safetensors files, looked at before they are believed."""

from __future__ import annotations

import json
import os
from typing import IO, Final

import torch
from torch import Tensor, nn

from insarflow.errors import ModelError

MAX_HEADER_BYTES: Final = 1 << 20
_DTYPES: Final = {
    torch.float64: "F64", torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16", torch.int64: "I64",
    torch.int32: "I32", torch.int16: "I16", torch.int8: "I8", torch.uint8: "U8", torch.bool: "BOOL",
}  # fmt: skip
_CONVERT: Final = "convert it to safetensors where it came from, with insarflow.save_model"
_Signature = dict[str, tuple[str, tuple[int, ...]]]


def check_start(stream: IO[bytes], label: str) -> int:
    """Length of the JSON header, from the first bytes alone.

    Raises
    ------
    ModelError
        If they are not those of a safetensors file with a header of reasonable size.
    """
    start = stream.read(9)
    size = int.from_bytes(start[:8], "little")
    # Before the pickles: a header of 128 bytes also starts with a pickle's 0x80.
    if start[8:] == b"{" and 2 <= size <= MAX_HEADER_BYTES:
        return size
    if start.startswith((b"PK", b"\x80")):
        raise ModelError(f"{label} is a pickle (torch.save), and a pickle can run code; {_CONVERT}")
    if start.startswith(b"\x89HDF"):
        raise ModelError(f"{label} is an HDF5 file, not safetensors; {_CONVERT}")
    raise ModelError(f"{label} must be a safetensors file, but starts with {start!r}; {_CONVERT}")


def check_header(stream: IO[bytes], expected: dict[str, Tensor], label: str) -> None:
    """Compare a file's header and size with the tensors it must hold.

    Raises
    ------
    ModelError
        Naming the first difference.
    """
    size = check_start(stream, label)
    stream.seek(8)
    try:
        header = json.loads(stream.read(size))
        found = {k: (v["dtype"], tuple(v["shape"])) for k, v in header.items() if k != "__metadata__"}
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise ModelError(f"{label} is damaged: its header is no safetensors header") from error
    _compare(found, _signature(expected), label)
    wanted = 8 + size + sum(t.numel() * t.element_size() for t in expected.values())
    actual = stream.seek(0, os.SEEK_END)
    if actual != wanted:
        raise ModelError(f"{label} is damaged: it must have {wanted} bytes, instead got {actual}")


def tensors_of(module: nn.Module, label: str) -> dict[str, Tensor]:
    """What a network keeps of its training, by name: views of it, no copies.

    Raises
    ------
    ModelError
        Naming the first part that is no plain tensor of numbers, which safetensors cannot hold.
    """
    state = module.state_dict()
    for key, value in state.items():
        got = type(value).__name__
        if isinstance(value, Tensor):
            if value.dtype in _DTYPES and value.layout == torch.strided and not value.is_quantized:
                continue
            got = f"{str(value.dtype).removeprefix('torch.')} ({str(value.layout).removeprefix('torch.')})"
        raise ModelError(
            f"{label}: {key!r:.80} of the network's state must be a plain tensor, instead got {got}: leave it out of "
            "the state (persistent=False, no get_extra_state), or convert it"
        )
    return state


def to_save(module: nn.Module, label: str) -> dict[str, Tensor]:
    """`tensors_of` as safetensors takes them: on the CPU, contiguous, none sharing memory with another.

    Raises
    ------
    ModelError
        As `tensors_of`; or if a tensor has no values.
    """
    saved: dict[str, Tensor] = {}
    seen: set[int] = set()
    for key, value in tensors_of(module, label).items():
        if value.is_meta:
            raise ModelError(f"{label}: tensor {key!r:.80} must hold values, but is on the device 'meta'")
        tensor = value.detach().cpu().contiguous()
        # A tensor that is tied to another, or a part of it, is kept once for each name.
        tensor = tensor.clone() if tensor.untyped_storage().data_ptr() in seen else tensor
        seen.add(tensor.untyped_storage().data_ptr())
        saved[key] = tensor
    return saved


def check_tensors(state: dict[str, Tensor], expected: dict[str, Tensor], label: str) -> None:
    """Compare the names, shapes and dtypes of tensors with what they must be.

    Raises
    ------
    ModelError
        Naming the first difference.
    """
    _compare(_signature(state), _signature(expected), label)


def check_finite(state: dict[str, Tensor], label: str) -> None:
    """Refuse weights that would make every probability NaN.

    Raises
    ------
    ModelError
        Naming the first tensor that holds NaN or infinity.
    """
    for key, tensor in state.items():
        if not bool(torch.isfinite(tensor).all()):
            raise ModelError(f"{label}: tensor {key!r} must be finite, but holds NaN or infinity")


def _signature(state: dict[str, Tensor]) -> _Signature:
    return {k: (_DTYPES.get(v.dtype, str(v.dtype)), tuple(v.shape)) for k, v in state.items()}


def _compare(found: _Signature, expected: _Signature, label: str) -> None:
    for key in sorted({*found, *expected}):
        if found.get(key) != expected.get(key):
            raise ModelError(
                f"{label} does not hold the network its card names: tensor {key!r:.80} must be "
                f"{expected.get(key, 'absent')}, instead got {found.get(key, 'absent')!s:.80}"
            )
