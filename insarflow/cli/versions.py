"""``insarflow versions``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from insarflow.cli.screen import Screen
from insarflow.cli.verbs import verb


@verb("versions", examples=["insarflow versions", "insarflow versions --json"])
def versions(*, screen: Screen) -> None:
    """Print what a bug report needs: versions of this package, of what it stands on, and of the machine."""
    from insarflow.workflows.versions import versions as run

    facts = run()
    screen.facts(facts, _lines(facts))


def _lines(facts: Mapping[str, Any], indent: str = "") -> Iterator[str]:
    for name, value in facts.items():
        if isinstance(value, Mapping):
            yield f"{indent}{name}"
            yield from _lines(value, indent + "  ")
        else:
            yield f"{indent}{name:<{22 - len(indent)}} {value}"
