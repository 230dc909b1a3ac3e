"""The calls of torch's functions in a network's forward pass, each with a name, so that it can be seen or changed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from typing import Final, NamedTuple, Self, TypeVar

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from insarflow.segment.reach.redraw import Factors, factored

T = TypeVar("T")

_HALVES: Final = (torch.float16, torch.bfloat16, torch.float32)
_TO_FLOATS: Final = (Tensor.float, Tensor.half, Tensor.bfloat16)


class Call(NamedTuple):
    """Where a function was called, and for which time there, counted from 0."""

    path: str
    layer: str
    function: str
    ordinal: int

    def words(self, axes: str) -> str:
        """What a reader of the network's code looks for: ``"pool (AdaptiveAvgPool2d)"``."""
        over = ", ".join(axes)
        return f"{self.path} ({self.layer or f'{self.function} over {over}'})"


class Calls(TorchFunctionMode):
    """Runs a network in double precision, whatever it casts to, with weights of few factors taken apart.

    Parameters
    ----------
    network
        Whose calls are named after its modules.
    factors
        As `insarflow.segment.reach.redraw.redraw` gives them.
    """

    def __init__(self, network: nn.Module, factors: Factors) -> None:
        super().__init__()
        self._network = network
        self._factors = factors
        self._modules = [(type(network).__name__, "")]
        self._counts: Counter[tuple[str, str]] = Counter()
        self._hooks = ExitStack()

    def __enter__(self) -> Self:
        del self._modules[1:]
        self._counts.clear()
        for path, module in self._network.named_modules():
            if path:
                self._hook(path, module)
        super().__enter__()  # type: ignore[no-untyped-call]
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        super().__exit__(kind, error, trace)  # type: ignore[no-untyped-call]
        self._hooks.close()

    def __torch_function__(
        self,
        function: Callable[..., object],
        types: object,
        args: tuple[object, ...] = (),
        kwargs: dict[str, object] | None = None,
    ) -> object:
        """See every call that the network makes; what torch's functions call in turn belongs to them."""
        kwargs = {k: _widen(v) for k, v in (kwargs or {}).items()}
        args = tuple(_widen(a) for a in args)
        if function in _TO_FLOATS:
            function = Tensor.double

        def run() -> object:
            short = factored(function, args, kwargs, self._factors)
            return function(*args, **kwargs) if short is None else short

        return self.on_call(self.name(_name(function)), [*tensors((args, *kwargs.values()))], run)

    def on_call(self, call: Call, given: list[Tensor], run: Callable[[], object]) -> object:
        """What the call gives, given these tensors; `run` computes it."""
        return run()

    def name(self, function: str) -> Call:
        """Name for a call made now."""
        path, layer = self._modules[-1]
        self._counts[path, function] += 1
        return Call(path, layer, function, self._counts[path, function] - 1)

    def _hook(self, path: str, module: nn.Module) -> None:
        layer = type(module).__name__ if type(module).__module__.startswith("torch.nn.") else ""

        def enter(*_: object) -> None:
            self._modules.append((path, layer))

        def leave(*_: object) -> None:
            self._modules.pop()

        for handle in (
            module.register_forward_pre_hook(enter),
            module.register_forward_hook(leave, always_call=True),
        ):
            self._hooks.callback(handle.remove)


def tensors(values: object) -> Iterator[Tensor]:
    """The tensors among arguments or results, in order."""
    if isinstance(values, Tensor):
        yield values
    elif isinstance(values, list | tuple):
        for value in values:
            yield from tensors(value)


def replaced(result: object, replacements: Iterable[Tensor]) -> object:
    """The same result with other tensors."""
    following = iter(replacements)

    def swap(value: object) -> object:
        if isinstance(value, Tensor):
            return next(following)
        if isinstance(value, list | tuple):
            return type(value)([swap(v) for v in value])
        return value

    return swap(result)


def _widen(value: T) -> T | torch.dtype:
    return torch.float64 if isinstance(value, torch.dtype) and value in _HALVES else value


def _name(function: Callable[..., object]) -> str:
    name = getattr(function, "__name__", type(function).__name__).strip("_")
    owner = getattr(function, "__qualname__", "")
    return f"Tensor.{name}" if owner.startswith("Tensor") else name
