"""What files that this package exported tell of their stack, beside their pixels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from insarflow.errors import ProductError
from insarflow.stack.raster import Raster
from insarflow.stack.tags import BASELINE, OTHERS, RECIPE, WORDS, Tags, parse_tags, value_of
from insarflow.types import Pair, Recipe


class Told:
    """What the tags of files tell, which must not contradict each other; nothing if this package wrote none of them."""

    def __init__(self) -> None:
        self._texts: dict[str, tuple[str, Path]] = {}
        self._values: dict[str, dict[str, Any]] = {}
        self._baselines: dict[Pair, tuple[float, Path]] = {}

    def note(self, raster: Raster, tags: Mapping[str, str], pair: Pair | None, variable: str) -> None:
        """Note what a file tells; nothing if this package did not write it.

        Parameters
        ----------
        raster, tags
            From `insarflow.stack.raster.read_tagged`.
        pair, variable
            What its name says it is.

        Raises
        ------
        ProductError
            If a tag is damaged, the name says something else, or another file does.
        """
        if raster.variable is None:
            return
        name = f"file={str(raster.path)!r}"
        try:
            found = parse_tags(tags, raster.variable)
            new = {tag: value_of(tag, text) for tag, text in found.stack.items() if tag not in self._texts}
        except ValueError as error:
            raise ProductError(f"{name} must have {error}: export the stack again") from error
        if (found.pair, found.variable) != (pair, variable):
            raise ProductError(
                f"{name} must be named as its tags say, {_called(found.pair, found.variable)}, instead got "
                f"{_called(pair, variable)}: rename it"
            )
        self._agree(found, raster.path)
        self._values |= new
        for tag, text in found.stack.items():
            self._texts.setdefault(tag, (text, raster.path))
        if pair is not None and found.baseline is not None:
            self._baselines.setdefault(pair, (found.baseline, raster.path))

    def attributes(self) -> dict[str, Any]:
        """Attributes of the stack."""
        ordered = sorted(self._values.items(), key=lambda item: item[0] != OTHERS)  # a tag of its own counts more
        return {name: value for tag, values in ordered if tag != RECIPE for name, value in values.items()}

    def recipe(self) -> Recipe:
        """How the stack came to be that was exported."""
        recipe: Recipe = self._values.get(RECIPE, {}).get("recipe", Recipe())
        return recipe

    def baselines(self, pairs: Iterable[Pair]) -> dict[Pair, float]:
        """Perpendicular baselines, m, of those of some pairs that have one."""
        return {pair: self._baselines[pair][0] for pair in pairs if pair in self._baselines}

    def _agree(self, found: Tags, path: Path) -> None:
        """Refuse what contradicts the files before."""
        known: dict[str, tuple[Any, Path]] = dict(self._texts)
        told: dict[str, Any] = dict(found.stack)
        if found.pair in self._baselines and found.baseline is not None:
            known[BASELINE] = self._baselines[found.pair]
            told[BASELINE] = found.baseline
        for tag, value in told.items():
            first, file = known.get(tag, (value, path))
            if first != value:
                raise ProductError(
                    f"all files of an export must have one {tag}, instead got {_short(first)} in file={str(file)!r} "
                    f"and {_short(value)} in file={str(path)!r}: open each export by itself"
                )


def _called(pair: Pair | None, variable: str) -> str:
    word = WORDS.get(variable, variable)
    return word if pair is None else f"{pair.name} {word}"


def _short(value: object) -> str:
    return f"{value!r:.80}"
