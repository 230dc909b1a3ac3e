"""Simulated regions without what a test does not look at."""

from insarflow.simulate.ground_cover import CLASSES, Ranges
from insarflow.simulate.scene import Scenario

CALM = {"turbulence": (0.0, 0.0), "stratification": 0.0, "valley_chance": 0.0, "wave_chance": 0.0}


def still(coherence, *, relief=1.0, **changes):
    """Even ground of one coherence at all delays, without movers, look-alikes, snow, air and orbits."""
    parts = {
        "relief": {"relief": (relief, relief), "base": (1500.0, 1500.0), "floor": (-5.0, -5.0)},
        "slides": {"density": 0.0},
        "cover": {
            "values": {name: Ranges((coherence,) * 2, (coherence,) * 2, (50.0, 50.0), (1.0, 1.0)) for name in CLASSES},
            "lake_share": (0.0, 0.0),
            "unrest": (0.0, 0.0),
            "contrast": (0.0, 0.0),
            "glint_share": (0.0, 0.0),
        },
        "look_alikes": {"bowls": 0, "glaciers": 0, "fields": 0, "snow": 0},
        "air": CALM,
        "snow": {"lowest": (9e3, 9e3), "highest": (9e3, 9e3)},
        "orbit": {"tube": 0.0, "ramp": 0.0},
        "bursts": {"step": 0.0},
    }
    return Scenario(**{**parts, **changes})
