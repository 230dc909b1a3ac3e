"""YAML files that a person may write, read without trusting them."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import yaml

from insarflow.errors import InsarError

MAX_BYTES: Final = 65_536
"""Size of a file that is read."""


class _Loader(yaml.SafeLoader):
    """Plain values only; no aliases, which can blow up, and no key twice, of which one would be lost."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("aliases (*name) are not allowed: write the value itself")
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if key.value in seen:
                raise yaml.YAMLError(f"the key {key.value!r:.80} is there twice: remove one")
            seen.add(str(key.value))
        return super().construct_mapping(node, deep=deep)


def load_plain(path: Path) -> object:
    """Text, numbers, dates, lists and mappings of a YAML file.

    Raises
    ------
    InsarError
        If it cannot be read, is larger than 64 kB, is no YAML, or holds anything else; naming it.
    """
    try:
        with path.open("rb") as stream:
            content = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise InsarError(f"{path} cannot be read: {error.strerror}") from error
    if len(content) > MAX_BYTES:
        raise InsarError(f"{path} must have at most {MAX_BYTES} bytes: it is too large for a list of parameters")
    try:
        return yaml.load(content.decode("utf-8"), _Loader)
    # Its constructors raise what Python's own do over a wrong date or number.
    except (yaml.YAMLError, ValueError, TypeError, RecursionError, AttributeError) as error:
        reason = " ".join(str(error).split())
        raise InsarError(f"{path} must be a YAML file, instead it cannot be read: {reason:.200}") from error
