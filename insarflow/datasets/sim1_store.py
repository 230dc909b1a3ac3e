"""insarflow-sim-1 on disk: generated, resumed, compared with the reference that the package knows.

``<root>/<split>/<number>.npy`` holds the codes of a scene (`insarflow.datasets.sim1_scenes.scene_codes`), and
``<root>/<split>.json`` the facts of a split; it is written last, so a split without it is unfinished.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Final, Self

import numpy as np

from insarflow.datasets.sim1_reference import LANES, compare, made_with, reference, sketch_of
from insarflow.datasets.sim1_scenes import (
    COUNTS,
    MASK,
    PAIRS,
    PIXEL,
    RANGES,
    REPEAT,
    SEEDS,
    SHAPE,
    SIDE,
    Split,
    draw_scene,
    scene_codes,
)  # fmt: skip
from insarflow.errors import ProductError
from insarflow.learn.model_files import write_whole
from insarflow.learn.series import most
from insarflow.ops.checks import check_whole
from insarflow.simulate.truth import MOVING, OPEN

NAME: Final = "insarflow-sim-1"
VERSION: Final = "1"
PATCH: Final = 128
CORNERS: Final = tuple((y, x) for y in range(0, SIDE, PATCH) for x in range(0, SIDE, PATCH))
"""First rows and columns of a scene's patches."""

_MOST_BYTES: Final = 1 << 24
_FILE_BYTES: Final = 128 + int(np.prod(SHAPE))


@dataclass(frozen=True)
class Facts:
    """What is known of a split's scenes without reading them.

    Attributes
    ----------
    starts
        datetime64[D] ``(scene,)``: acquisition 0.
    moving, valid
        int64 ``(scene, pair, corner)``: pixels of each patch that move visibly, and that count.
    season_moving, season_valid
        int64 ``(scene, corner)``: the same of all pairs together, see `insarflow.learn.series.most`.
    sha256
        Of each scene's codes, as they were written.
    sketch
        int64 ``(scene, 8)``, see `sketch_of`.
    """

    starts: np.ndarray
    moving: np.ndarray
    valid: np.ndarray
    season_moving: np.ndarray
    season_valid: np.ndarray
    sha256: tuple[str, ...]
    sketch: np.ndarray

    @classmethod
    def read(cls, root: Path, split: Split) -> Self:
        """Of a finished split.

        Raises
        ------
        ProductError
            If the file is damaged, or tells of another data set.
        """
        path = root / f"{split}.json"
        try:
            if path.stat().st_size > _MOST_BYTES:
                raise ValueError(f"it has more than {_MOST_BYTES} bytes")
            told = json.loads(path.read_text())
            is_it = {key: told[key] for key in ("name", "version", "split")}
            scenes = told["scenes"] if is_it == {"name": NAME, "version": VERSION, "split": split} else None
            read = None if scenes is None else cls._of(scenes)
        except (OSError, ValueError, KeyError, TypeError, OverflowError) as error:
            raise ProductError(
                f"{path} is damaged ({type(error).__name__}: {error}): delete it, and generate(root) writes it anew"
            ) from error
        if read is None:
            raise ProductError(f"{path} must tell of {NAME} {VERSION}, {split}, instead got {is_it}: name another root")
        return read

    @classmethod
    def _of(cls, scenes: Sequence[Mapping[str, Any]]) -> Self:
        count, corners = len(scenes), len(CORNERS)
        shapes = {
            "moving": (len(PAIRS), corners), "valid": (len(PAIRS), corners), "season_moving": (corners,),
            "season_valid": (corners,), "sketch": (LANES,),
        }  # fmt: skip
        arrays = {
            name: np.array([scene[name] for scene in scenes], np.int64).reshape(count, *shape)
            for name, shape in shapes.items()
        }
        starts = np.array([str(scene["start"]) for scene in scenes], "datetime64[D]")
        return cls(starts=starts, sha256=tuple(str(scene["sha256"]) for scene in scenes), **arrays)


def generate(
    root: str | Path,
    *,
    scenes: Mapping[Split, int] = COUNTS,
    workers: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Simulate the benchmark; what is there already stays, so a generation that was stopped goes on.

    Parameters
    ----------
    root
        Gets a folder and a JSON file for each split, 0.8 GB; made if missing.
    scenes
        How many of each split, by default all; fewer are the first ones, for trying things out.
    workers
        Processes; what is written does not depend on their number. A scene takes one about 1.5 s.
    progress
        Called with (scenes done, scenes wanted).

    Returns
    -------
    Path
        The root.

    Raises
    ------
    ValueError
        If `scenes` names a split that there is not, or more scenes than it has.
    ProductError
        If a scene is not that of the reference.
    """
    check_whole("workers", workers, low=1)
    for split, count in scenes.items():
        if split not in COUNTS:
            raise ValueError(f"scenes must be of the splits {', '.join(COUNTS)}, instead got {split!r}")
        check_whole(f"scenes[{split!r}]", count, low=1, high=COUNTS[split])
    root = Path(root)
    for split in scenes:
        (root / split).mkdir(parents=True, exist_ok=True)
    wanted = [(split, k) for split, count in scenes.items() for k in range(count)]
    tasks = [(root, *scene) for scene in wanted if not is_whole(scene_file(root, *scene))]
    for done, _ in enumerate(_written(tasks, workers), len(wanted) - len(tasks) + 1):
        if progress is not None:
            progress(done, len(wanted))
    for split, count in scenes.items():
        _finish(root, split, count)
    return root


def check(root: str | Path) -> dict[Split, int]:
    """Read all that is there and compare it with what was written, and with the reference.

    Returns
    -------
    dict
        For each split, how many scenes are the reference's to the last bit; all others are but for rounding.

    Raises
    ------
    ProductError
        Naming the first scene that is damaged, or not that of the reference.
    """
    root = Path(root)
    same: dict[Split, int] = {}
    for split in COUNTS:
        if not (root / f"{split}.json").exists():
            continue
        facts = Facts.read(root, split)
        for number, sha256 in enumerate(facts.sha256):
            path = scene_file(root, split, number)
            if sha256 != hashlib.sha256(read_codes(path).tobytes()).hexdigest():
                raise ProductError(f"{path} is damaged: delete it, and generate(root) simulates it again")
        compare(split, facts.sketch)
        table, _ = reference()
        same[split] = sum(table[split, k].sha256 == sha256[:16] for k, sha256 in enumerate(facts.sha256))
    return same


def scene_file(root: Path, split: Split, number: int) -> Path:
    """Where a scene's codes are."""
    return root / split / f"{number:04d}.npy"


def is_whole(path: Path) -> bool:
    """Whether a scene's file is there, of the size that it must have."""
    return path.is_file() and path.stat().st_size == _FILE_BYTES


def read_codes(path: Path) -> np.ndarray:
    """The codes of a scene, uint8 `insarflow.datasets.sim1_scenes.SHAPE`, read from disk as they are used.

    Raises
    ------
    ProductError
        If the file is missing, or of another size or kind.
    """
    try:
        whole = is_whole(path)
        codes: np.ndarray | None = np.load(path, mmap_mode="r", allow_pickle=False) if whole else None
    except (OSError, ValueError, TypeError, SyntaxError) as error:
        raise ProductError(f"{path} cannot be read ({error}): delete it, and generate(root) writes it anew") from error
    if codes is None or codes.shape != SHAPE or codes.dtype != np.uint8 or not codes.flags.c_contiguous:
        raise ProductError(
            f"{path} must hold the codes of a scene in {_FILE_BYTES} bytes, instead it "
            f"{'holds others' if path.exists() else 'is missing'}: delete it, and generate(root) writes it anew"
        )
    return codes


def _written(tasks: Sequence[tuple[Path, Split, int]], workers: int) -> Iterator[None]:
    if workers == 1 or len(tasks) < 2:
        yield from map(_write, tasks)
        return
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        yield from pool.map(_write, tasks)


def _write(task: tuple[Path, Split, int]) -> None:
    content = io.BytesIO()
    np.save(content, scene_codes(*task[1:]), allow_pickle=False)
    write_whole(scene_file(*task), content.getvalue())


def _finish(root: Path, split: Split, count: int) -> None:
    """Write the facts of a split whose scenes are all there."""
    path = root / f"{split}.json"
    if path.exists() and len(Facts.read(root, split).sha256) >= count:
        return
    scenes = [_told(root, split, number) for number in range(count)]
    compare(split, np.array([scene["sketch"] for scene in scenes]))
    facts = {
        "name": NAME, "version": VERSION, "split": split, "seed": SEEDS[split], "pixel_size": PIXEL,
        "repeat_days": REPEAT, "pairs": PAIRS, "images": ["phase / 256 turn", "coherence / 254", "state"],
        "ranges": RANGES["beyond" if split == "beyond" else "inside"], "made_with": made_with(), "scenes": scenes,
    }  # fmt: skip
    write_whole(path, json.dumps(facts, indent=1).encode())
    for part in (root / split).glob("*.part"):
        part.unlink()


def _told(root: Path, split: Split, number: int) -> dict[str, Any]:
    """The facts of a scene, from its codes."""
    codes, (scene, _) = read_codes(scene_file(root, split, number)), draw_scene(split, number)
    states = codes[:, MASK]
    season = most(list(states))
    corners = [np.s_[..., y : y + PATCH, x : x + PATCH] for y, x in CORNERS]
    start = np.datetime64("2021-01-01", "D") + int(scene.first_day - 1)
    return {
        "start": str(start), "direction": scene.direction, "sha256": hashlib.sha256(codes.tobytes()).hexdigest(),
        "sketch": sketch_of(codes).tolist(),
        "moving": [[int((one[cut] == MOVING).sum()) for cut in corners] for one in states],
        "valid": [[int((one[cut] < OPEN).sum()) for cut in corners] for one in states],
        "season_moving": [int((season[cut] == MOVING).sum()) for cut in corners],
        "season_valid": [int((season[cut] < OPEN).sum()) for cut in corners],
    }  # fmt: skip
