"""Scenes of insarflow-sim-1, each a function of its split and number: what is drawn, and the codes that are kept."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final, Literal, get_args

import numpy as np

from insarflow.learn.bank import seen_in
from insarflow.learn.trial import ISSLIDE_PIXEL
from insarflow.simulate.observe import observe
from insarflow.simulate.processing import PROCESSING
from insarflow.simulate.scene import Scenario, Scene
from insarflow.simulate.sights import targets
from insarflow.simulate.truth import MISSING
from insarflow.types import Window

Split = Literal["train", "validation", "test", "beyond"]

SEEDS: Final[Mapping[Split, int]] = dict(zip(get_args(Split), (2101, 2102, 2103, 2104), strict=True))
"""Of the scenes of each split: no other scenes of the package have them, the embedded model's training neither."""

COUNTS: Final[Mapping[Split, int]] = {"train": 160, "validation": 40, "test": 80, "beyond": 40}
"""Scenes of each split."""

SIDE: Final = 256
"""Pixels along a side of a scene."""

PIXEL: Final = ISSLIDE_PIXEL
REPEAT: Final = 6
ACQUISITIONS: Final = 6
PAIRS: Final = tuple((i, i + step) for step in (1, 2, 3) for i in range(ACQUISITIONS - step))
"""Acquisitions (earlier, later): all pairs of 6, 12 and 18 days."""

NO_DATA: Final = 255
"""Code of coherence where there is no interferogram; all others are 254ths."""

PHASE, COHERENCE, MASK = range(3)
"""Where images lie along the second axis of a scene's codes."""

SHAPE: Final = (len(PAIRS), 3, SIDE, SIDE)

_EDGE: Final = 0.25
"""Share of scenes that the edge of a swath crosses."""

_ALIKE: Final = {"bowls": 0.15, "glaciers": 0.3, "fields": 0.3, "snow": 0.3}
"""Look-alikes of a scene that has them, see `insarflow.simulate.look_alikes.LookAlikes.draw`."""

_ALIKE_CHANCE: Final = 0.35
"""Share of scenes that have each kind."""

# Written out here, since later versions may train on other ranges, and this benchmark stays.
RANGES: Final[Mapping[str, Mapping[str, Any]]] = {
    "inside": {
        "relief": {"relief": (250.0, 700.0)},
        "slides": {
            "size": (110.0, 500.0), "largest": 900.0, "giants": 0.08, "speed": (0.25, 2.0), "creep": (0.25, 1.2),
            "habits": (0.55, 0.25, 0.1, 0.1),
        },
        "cover": {"tree_line": (1_300.0, 2_100.0), "forest_share": (0.1, 0.6), "bare_chance": 0.3},
        "air": {"turbulence": (0.1, 0.8), "stratification": 0.6, "wave_chance": 0.2},
        "dem_error": {"rms": (5.0, 15.0)},
        "orbit": {"tube": 55.0},
        "incidence": (0.54, 0.78),
    },
    "beyond": {
        "relief": {"relief": (200.0, 800.0)},
        "slides": {
            "size": (110.0, 500.0), "largest": 900.0, "giants": 0.08, "speed": (0.2, 2.5), "creep": (0.2, 1.5),
            "habits": (0.4, 0.3, 0.15, 0.15),
        },
        "cover": {"tree_line": (1_300.0, 2_100.0), "forest_share": (0.1, 0.6), "bare_chance": 0.3},
        "air": {"turbulence": (0.6, 1.1), "stratification": 0.9, "wave_chance": 0.4},
        "dem_error": {"rms": (4.0, 18.0)},
        "orbit": {"tube": 70.0},
        "incidence": (0.5, 0.82),
    },
}  # fmt: skip
"""What scenes are drawn from, see `insarflow.simulate.scene.Scenario`: rougher air and other speeds in ``"beyond"``."""


def draw_scene(split: Split, number: int) -> tuple[Scene, np.ndarray]:
    """The ground, the air and the movers of a scene, and which of its pixels no swath covers, bool ``(y, x)``."""
    rng = np.random.default_rng((SEEDS[split], number))
    crowd = 0.0 if rng.random() < 0.1 else float(rng.uniform(0.25, 0.5))
    alike = {name: much if rng.random() < _ALIKE_CHANCE else 0.0 for name, much in _ALIKE.items()}
    # Surveys look at summers; the rest of the year is there to be told from them.
    summer = rng.random() < 0.75
    first_day = float(rng.integers(150, 270) if summer else rng.integers(1, 366))
    given = RANGES["beyond" if split == "beyond" else "inside"]
    scenario = Scenario(**{**given, "slides": {**given["slides"], "density": crowd}, "look_alikes": alike})
    scene = Scene.draw(
        int(rng.integers(2**62)), (SIDE, SIDE), pixel_size=PIXEL, first_day=first_day, repeat_days=REPEAT,
        direction="ascending" if rng.random() < 0.5 else "descending", scenario=scenario,
    )  # fmt: skip
    return scene, _beyond_edge(rng) if rng.random() < _EDGE else np.zeros((SIDE, SIDE), bool)


def scene_codes(split: Split, number: int) -> np.ndarray:
    """Simulate a scene.

    Returns
    -------
    ndarray
        uint8 `SHAPE`, for each of `PAIRS`: phase in 256ths of a turn, coherence in 254ths, `NO_DATA` where there is
        none, and the states of `insarflow.simulate.truth`.
    """
    scene, outside = draw_scene(split, number)
    whole, processing = Window(0, 0, SIDE, SIDE), PROCESSING["isslide"]
    observed = observe(scene, PAIRS, whole, processing)
    igram, coherence = observed["igram"], observed["coherence"]
    states = targets(scene, PAIRS, whole, seen_in(scene, PAIRS, igram, processing))
    known = np.isfinite(igram) & np.isfinite(coherence) & (igram != 0) & ~outside
    out = np.zeros(SHAPE, np.uint8)
    turns = np.angle(np.where(known, igram, 1)) / (2 * np.pi)
    out[:, PHASE] = np.round(turns * 256).astype(np.int64) % 256
    out[:, COHERENCE] = np.where(known, np.round(np.where(known, coherence, 0) * (NO_DATA - 1)), NO_DATA)
    out[:, MASK] = np.where(known, states, MISSING)
    return out


def images_of(phase: np.ndarray, coherence: np.ndarray) -> np.ndarray:
    """Network input of codes of one or more images: float32 ``(..., channel, y, x)``, channels coherence, cos, sin."""
    known = coherence != NO_DATA
    cos, sin = (np.where(known, table[phase], np.float32(0)) for table in _circle())
    return np.stack((np.where(known, coherence * np.float32(1 / (NO_DATA - 1)), np.float32(0)), cos, sin), axis=-3)


@lru_cache(maxsize=1)
def _circle() -> tuple[np.ndarray, np.ndarray]:
    """Cosine and sine of each code of phase, float32."""
    angle = np.arange(256) * (2 * np.pi / 256)
    return np.cos(angle).astype(np.float32), np.sin(angle).astype(np.float32)


def _beyond_edge(rng: np.random.Generator) -> np.ndarray:
    """The far side of a slanting line: the edge of a swath."""
    angle, shift = rng.uniform(0, 2 * np.pi), rng.uniform(20, 110)
    y, x = np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2
    return np.asarray(y * np.sin(angle) + x * np.cos(angle) > shift)
