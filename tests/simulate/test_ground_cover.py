import numpy as np
import pytest
from ground_windows import check_any_window, windows
from hypothesis import given, settings

from insarflow.simulate.ground_cover import ALPINE, CLASSES, FOREST, ICE, MEADOW, ROCK, WATER, GroundCover, Ranges
from insarflow.simulate.relief import FractalRelief
from insarflow.types import Window

RELIEF = FractalRelief.of_seed(3, spacing=20.0)
WINDOWS = [Window(900 * k, -700 * k, 200, 200) for k in range(8)]


def cover(seed=0, **options):
    return GroundCover.draw(np.random.default_rng(seed), spacing=20.0, **{"bare_chance": 0.0, **options})


@settings(max_examples=20)
@given(windows)
def test_any_window_has_the_same_bits(window):
    drawn = cover(lake_share=(0.5, 0.5))
    check_any_window(lambda w: tuple(drawn.at(w, RELIEF)), window)


def test_types_and_ranges():
    values = cover().at(WINDOWS[0], RELIEF)
    assert [v.dtype.name for v in values] == ["float32"] * 4 + ["uint8"]
    assert np.all(values.floor >= 0)
    assert np.all(values.first >= values.floor)
    assert np.all(values.first <= 0.98)
    assert np.all(values.decay_days >= 1)
    assert np.all(values.backscatter > 0)


def test_coherence_at_twelve_days_is_around_what_each_class_has():
    expected = {ROCK: (0.6, 0.9), MEADOW: (0.3, 0.6), FOREST: (0.05, 0.3), ICE: (0.0, 0.2), WATER: (0.0, 0.0)}
    found = {kind: [] for kind in expected}
    for seed in range(12):
        drawn = cover(seed, ice_line=(2300.0, 2400.0), lake_share=(0.5, 0.5))
        for window in WINDOWS[:3]:
            values = drawn.at(window, RELIEF)
            coherence = values.floor + (values.first - values.floor) * np.exp(-12 / values.decay_days)
            for kind, parts in found.items():
                parts.extend(coherence[values.kind == kind][::7])
    for kind, (low, high) in expected.items():
        assert len(found[kind]) > 50, CLASSES[kind]
        within = np.mean((np.array(found[kind]) >= low) & (np.array(found[kind]) <= high))
        assert low <= np.median(found[kind]) <= high, CLASSES[kind]
        assert within > 0.4, CLASSES[kind]


EVEN = {name: Ranges((0.9, 0.9), (0.6, 0.6), (30.0, 30.0), (1.0, 1.0)) for name in CLASSES}


def test_within_a_class_echoes_change_faster_here_than_there():
    quiet = {"values": EVEN, "lake_share": (0.0, 0.0), "glint_share": (0.0, 0.0), "contrast": (0.0, 0.0)}
    flat = cover(unrest=(0.0, 0.0), **quiet).at(WINDOWS[0], RELIEF)
    assert np.allclose(flat.first, 0.9)
    assert np.allclose(flat.decay_days, 30.0, rtol=1e-5)
    parts = [cover(3, unrest=(0.6, 0.6), **quiet).at(w, RELIEF) for w in WINDOWS]
    haste = np.log([np.log(p.floor) / np.log(0.6) for p in parts])
    kept = np.array([p.first for p in parts]) < 0.978
    assert kept.mean() > 0.95
    assert np.allclose(haste[kept], -np.log([p.decay_days / 30.0 for p in parts])[kept], atol=1e-4)
    assert np.allclose(haste[kept], np.log(np.log([p.first for p in parts]) / np.log(0.9))[kept], atol=1e-4)
    assert haste.std() == pytest.approx(0.6, abs=0.1)
    assert haste.mean() == pytest.approx(0.0, abs=0.2)


def test_bright_things_are_rare_and_hardly_change():
    still = {"values": EVEN, "lake_share": (0.0, 0.0), "unrest": (0.0, 0.0), "contrast": (0.0, 0.0)}
    parts = [cover(5, glint_share=(0.01, 0.01), **still).at(w, RELIEF) for w in WINDOWS]
    bright, floor = np.array([p.backscatter for p in parts]), np.array([p.floor for p in parts])
    there = bright > 1.001
    assert there.mean() == pytest.approx(0.01, rel=0.3)
    assert 2.0 < np.median(bright[there]) < 5.0
    assert np.allclose(bright[~there], 1.0, atol=1.1e-3)
    assert np.allclose(floor[~there], 0.6, atol=1e-3)
    assert floor[there].min() > 0.6
    assert np.median(floor[there]) > 0.75


def test_classes_lie_where_they_belong():
    lines = {"tree_line": (1900.0, 1900.0), "meadows": (300.0, 300.0), "ice_line": (2600.0, 2600.0)}
    drawn = cover(4, lake_share=(0.4, 0.4), **lines)
    kind = np.array([drawn.kinds(w, RELIEF) for w in WINDOWS])
    height = np.array([RELIEF.height(w) for w in WINDOWS])
    slope = np.degrees([RELIEF.slope_downhill(w)[0] for w in WINDOWS])
    assert set(np.unique(kind)) == set(range(5))
    assert height[kind == FOREST].max() < 1900 + 500
    assert np.mean(height[kind == FOREST] < 2100) > 0.97
    assert height[kind == ICE].min() > 2600 - 500
    assert np.median(height[kind == ROCK]) > np.median(height[kind == MEADOW])
    assert np.all(slope[kind == WATER] < 2.51)
    assert np.all(kind[slope > 42.1] == ROCK)
    flat = (slope < 2.4) & (height < 2000)
    assert np.mean(kind[flat] == WATER) == pytest.approx(0.4, abs=0.3)


def test_shares_and_bare_scenes():
    low = FractalRelief.of_seed(3, spacing=20.0, relief=60.0, base=600.0)
    shares = [np.mean(cover(s, forest_share=(0.3, 0.3)).kinds(WINDOWS[s], low) == FOREST) for s in range(8)]
    assert np.mean(shares) == pytest.approx(0.3, abs=0.08)
    bare = cover(1, bare_chance=1.0).kinds(WINDOWS[1], RELIEF)
    assert set(np.unique(bare)) <= {ROCK, ICE, WATER}
    dry = cover(1, lake_share=(0.0, 0.0)).kinds(WINDOWS[1], low)
    assert not np.any(dry == WATER)


def test_water_is_dark_and_has_no_coherence():
    plain = FractalRelief.of_seed(1, spacing=20.0, relief=5.0)
    values = cover(2, lake_share=(0.9, 0.9)).at(Window(0, 0, 300, 300), plain)
    water = values.kind == WATER
    assert water.mean() > 0.6
    assert not values.first[water].any()
    assert values.backscatter[water].max() < 0.3 < values.backscatter[~water].min()


def test_classes_without_values_are_named():
    with pytest.raises(ValueError, match=r"^values must have all classes .* instead got none for \['ice'\]"):
        cover(values={name: ALPINE[name] for name in CLASSES if name != "ice"})
