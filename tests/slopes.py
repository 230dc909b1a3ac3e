"""Terrains of closed form, and movers written by hand, for the tests of moving slopes."""

import numpy as np

from insarflow.simulate.activity import Activity
from insarflow.simulate.bodies import Mover

SPACING = 15.0


class Plane:
    """An endless slope of one angle; `azimuth` is where it descends, clockwise from north."""

    def __init__(self, degrees=25.0, azimuth=90.0, base=2000.0):
        rise, turn = np.tan(np.radians(degrees)), np.radians(azimuth)
        self.south, self.east, self.base = rise * np.cos(turn), -rise * np.sin(turn), base

    def height(self, window):
        rows, cols = (np.arange(a, b) + 0.5 for a, b in ((window.y0, window.y1), (window.x0, window.x1)))
        return (self.base + SPACING * (self.south * rows[:, None] + self.east * cols)).astype(np.float32)


class Waves:
    """Valleys 6 km apart along both axes, with flat floors and crests and slopes of all kinds between."""

    def height(self, window):
        rows, cols = (
            np.sin(2 * np.pi * SPACING * np.arange(a, b) / 6000.0)
            for a, b in ((window.y0, window.y1), (window.x0, window.x1))
        )
        return (2000 + 600 * (rows[:, None] + cols)).astype(np.float32)


def mover(**changes):
    """A body of 300 by 500 m in half widths that slides east down 20 degrees at 0.5 m/yr."""
    numbers = {
        "id": 7,
        "kind": "Landslide",
        "confidence": 0.8,
        "south": 1003.0,
        "east": -2002.0,
        "height": 2000.0,
        "azimuth": np.pi / 2,
        "slope": np.radians(20.0),
        "half_width": 300.0,
        "half_length": 500.0,
        "margin": 0.6,
        "lobes": (0.0, 0.0),
        "rim": ((0.05, 0.08, 0.0, -0.03, 0.02), (0.0, -0.05, 0.04, 0.02, 0.0)),
        "speed": 0.5,
        "activity": Activity(),
    }
    return Mover(**{**numbers, **changes})


def line_of_sight(incidence, heading):
    """East, north and up of the unit vector from the ground to a right-looking satellite."""
    return -np.sin(incidence) * np.cos(heading), np.sin(incidence) * np.sin(heading), np.cos(incidence)
