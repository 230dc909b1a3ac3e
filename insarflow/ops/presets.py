"""Parameters of the Goldstein filter, checked, and those of published tools by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Final, Literal, Self, get_args

from insarflow.kernels.goldstein import Alpha, Amplitude, Edges, Ends, PatchWindow
from insarflow.ops.checks import check_fraction, check_kind, check_whole

Preset = Literal["default", "goldstein98", "baran03", "isce2", "snap_legacy", "snap14"]


@dataclass(frozen=True)
class Settings:
    """What `insarflow.goldstein` is told, with its defaults; the names are explained there."""

    patch_size: int = 32
    step: int = 16
    alpha: Alpha = 0.5
    min_valid: float = 0.5
    amplitude: Amplitude = "input"
    alpha_range: tuple[float, float] = (0.0, 1.0)
    smoothing: int = 1
    smoothing_ends: Ends = "circular"
    window: PatchWindow = "triangular"
    normalise: bool = True
    edges: Edges = "fill"
    swap_iq: bool = False

    @classmethod
    def of(cls, preset: str = "default", **given: Any) -> Self:
        """A preset's settings; what is given and not None replaces them.

        Raises
        ------
        TypeError, ValueError
            Naming the argument, what is allowed and the value.
        """
        if preset not in PRESETS:
            raise ValueError(f"preset must be one of {tuple(PRESETS)}, instead got preset={preset!r}")
        chosen = {name: value for name, value in given.items() if value is not None}
        return cls(**{**asdict(PRESETS[preset]), **chosen})._checked()

    def noted(self) -> dict[str, Any]:
        """What a recipe notes: the first five always, the others where they are not the default."""
        values, default = asdict(self), asdict(Settings())
        first = [field.name for field in fields(self)][:5]
        noted = {name: value for name, value in values.items() if name in first or value != default[name]}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in noted.items()}

    def _checked(self) -> Self:
        patch_size = check_whole("patch_size", self.patch_size, low=8, high=128)
        if patch_size & (patch_size - 1):
            raise ValueError(f"patch_size must be a power of two, instead got patch_size={patch_size}")
        step = check_whole("step", self.step, low=1, high=patch_size)
        if patch_size % step:
            raise ValueError(f"step must divide patch_size={patch_size}, instead got step={step}")
        smoothing = check_whole("smoothing", self.smoothing, low=1, high=patch_size - 1)
        if smoothing % 2 == 0:
            raise ValueError(f"smoothing must be odd, instead got smoothing={smoothing}")
        for name, kind in (
            ("amplitude", Amplitude), ("smoothing_ends", Ends), ("window", PatchWindow), ("edges", Edges),
        ):  # fmt: skip
            _check_choice(name, getattr(self, name), get_args(kind))
        for name in ("normalise", "swap_iq"):
            check_kind(name, getattr(self, name), bool, "True or False")
        return replace(
            self, patch_size=patch_size, step=step, alpha=_alpha(self.alpha), smoothing=smoothing,
            min_valid=check_fraction("min_valid", self.min_valid), alpha_range=_range(self.alpha_range),
        )  # fmt: skip


def _check_choice(name: str, value: object, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ValueError(f"{name} must be one of {choices}, instead got {name}={value!r}")


def _alpha(alpha: Any) -> Alpha:
    if isinstance(alpha, str):
        if alpha != "adaptive":
            raise ValueError(f"alpha must be a number from 0 to 1 or 'adaptive', instead got alpha={alpha!r}")
        return "adaptive"
    return check_fraction("alpha", alpha)


def _range(limits: tuple[float, float]) -> tuple[float, float]:
    if not isinstance(limits, tuple | list) or len(limits) != 2:
        raise ValueError(f"alpha_range must be two numbers, instead got alpha_range={limits!r:.80}")
    low, high = (check_fraction("alpha_range", limit) for limit in limits)
    if low > high:
        raise ValueError(f"alpha_range must rise, instead got alpha_range={(low, high)}")
    return low, high


_SNAP: Final = Settings(
    patch_size=64, step=16, alpha=1.0, smoothing=3, smoothing_ends="clipped", window="triangular_snap",
    normalise=False, amplitude="filter", edges="zero", min_valid=0.0,
)  # fmt: skip

PRESETS: Final[Mapping[str, Settings]] = {
    "default": Settings(),
    # Goldstein and Werner (1998), doi:10.1029/1998GL900033, the way dolphin and GMTSAR run it.
    "goldstein98": Settings(amplitude="filter"),
    # Baran et al. (2003), doi:10.1109/TGRS.2003.817212: the exponent; patch and step of GMTSAR.
    "baran03": Settings(alpha="adaptive", amplitude="filter"),
    # ISCE2, mroipac's psfilt: the magnitude is restored afterwards.
    "isce2": Settings(window="triangular_isce2"),
    # ESA SNAP's GoldsteinPhaseFiltering up to 13, at its defaults; ISSLIDE's interferograms went through it.
    "snap_legacy": _SNAP,
    # From SNAP 14 on: exponent of Baran et al., never below 0.2.
    "snap14": replace(_SNAP, alpha="adaptive", alpha_range=(0.2, 1.0), swap_iq=True),
}

ALPHA_WITHOUT_COHERENCE: Final[Mapping[str, float]] = {"snap14": 1.0}
"""Fixed exponent of presets that adapt it only where there is coherence."""
