"""Networks that do not map one interferogram, refused with what to use instead."""

from __future__ import annotations

from typing import Final

from insarflow.errors import ModelError
from insarflow.learn.models import Spec

_INSTEAD: Final = {
    "clip": (
        "tells classes of small images and gives no map: slide it over the region with "
        "insarflow.segment.classify(image, network)"
    ),
    "series": (
        "makes one map of several interferograms of a place, not one of each: call network(image, when, there) with "
        "samples of series"
    ),
}


def check_maps(name: str, spec: object) -> None:
    """Refuse a network that states that it is one of clips or of series.

    Parameters
    ----------
    name
        Of the model, for the message.
    spec
        What it states, if anything.

    Raises
    ------
    ModelError
        Saying what to do instead.
    """
    if isinstance(spec, Spec) and spec.kind != "image":
        raise ModelError(f"model {name!r} {_INSTEAD[spec.kind]}; insarflow.load_model gives the network of a file")
