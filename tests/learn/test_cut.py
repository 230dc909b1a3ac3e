from dataclasses import replace

import numpy as np
import pytest
import torch

from insarflow.learn.calibration import Calibration
from insarflow.learn.cut import AT_REST, Cut, all_cuts, at_rest, best_cut, probabilities, quiet_cuts
from insarflow.learn.scoring import AS_IT_IS, Place
from insarflow.simulate.truth import MOVING


def spotted(*heights):
    """Spots of 144 pixels, each as high as told."""
    out = np.zeros((16, 16 * len(heights)), np.float32)
    for k, height in enumerate(heights):
        out[2:14, 16 * k + 2 : 16 * k + 14] = height
    return out


def test_cuts_with_as_many_outlines_as_are_borne():
    maps = [spotted(0.22, 0.47), spotted(0.67, 0.87)]

    def oracle(outlines):
        """Spots that are outlined: all of a spot is as high."""
        heights = (0.22, 0.47, 0.67, 0.87)
        return [cut for cut in all_cuts() if sum(h >= max(cut) for h in heights) <= outlines]

    # Two maps of 50 km2: one outline is one per 100 km2.
    assert quiet_cuts(maps, area=50.0) == oracle(1)
    assert quiet_cuts(maps, area=50.0, most=2.0) == oracle(2)
    assert quiet_cuts(maps, area=50.0, most=0.5) == oracle(0) == [cut for cut in all_cuts() if cut.peak == 0.9]
    assert quiet_cuts(maps, area=1e6) == all_cuts()
    small = spotted(0.95)
    small[4:, :] = 0
    assert quiet_cuts([small], area=1.0) == all_cuts()
    rim = spotted(0.45)
    rim[5, 5] = 0.75
    assert quiet_cuts([rim], area=1.0) == [c for c in all_cuts() if c.threshold == 0.5 or c.peak > 0.75]


def season_of(*pairs, target):
    """A place whose pairs have these probabilities."""
    p = np.clip(np.stack(pairs), 1e-3, 1 - 1e-3)
    return Place("0", np.log(p / (1 - p)).astype(np.float32), np.stack([target] * len(pairs)), np.full(len(pairs), 6))


def test_the_best_cut_finds_what_moves_and_nothing_else():
    target = (spotted(1.0, 0.0, 1.0) > 0).astype(np.uint8)
    # One mover is faint but for a pixel, ground feigns more, and is sure nowhere.
    sure = spotted(0.46, 0.62, 0.9)
    sure[6, 6] = 0.83
    places = [season_of(sure, sure, target=target)]
    assert best_cut(places, AS_IT_IS) == Cut(0.1, 0.65)
    assert best_cut(places, AS_IT_IS, [Cut(0.4, 0.8), Cut(0.5, 0.9), Cut(0.25, 0.9)]) == Cut(0.4, 0.8)
    # Over the season one pair that is sure is enough, so both cuts find it there.
    faint = spotted(0.46, 0.0, 0.9)
    places = [season_of(faint, sure, target=target)]
    assert best_cut(places, AS_IT_IS, [Cut(0.5, 0.8), Cut(0.4, 0.8)]) == Cut(0.4, 0.8)


def test_what_leaves_no_choice():
    target = (spotted(1.0) > 0).astype(np.uint8)
    with pytest.raises(ValueError, match="at every threshold and peak there are more than 1 outlines per 100 km2"):
        best_cut([season_of(spotted(0.9), target=target)], AS_IT_IS, [])
    with pytest.raises(ValueError, match="maps must hold an interferogram at rest, instead got none"):
        quiet_cuts([], area=1.0)
    # A mover of less than 100 pixels is no object: then pixels decide.
    few = np.zeros_like(target)
    few[3:6, 3:6] = MOVING
    cut = best_cut([season_of(np.where(few, 0.7, 0.2).astype(np.float32), target=few)], AS_IT_IS)
    assert 0.2 < cut.threshold == cut.peak <= 0.7


def test_scenes_at_rest_are_simulated_once(tmp_path):
    setting = replace(AT_REST, side=32, acquisitions=2)
    told = []
    first = [t.image[:] for t in at_rest(tmp_path, 1, seed=4, setting=setting, progress=lambda *n: told.append(n))]
    written = (tmp_path / "4-0000" / "image.npy").stat().st_mtime_ns
    (again,) = at_rest(tmp_path, 1, seed=4, setting=setting)
    assert (tmp_path / "4-0000" / "image.npy").stat().st_mtime_ns == written
    np.testing.assert_array_equal(first[0], again.image)
    assert told == [(1, 1)]
    assert not (again.target == MOVING).any()

    class Coherence(torch.nn.Module):
        def forward(self, x):
            return x[:, :1]

    (probability,) = probabilities(Coherence(), [again], Calibration(2.0, 0.5))
    expected = 1 / (1 + np.exp(-(again.image[0, 0].astype(np.float64) + 0.5) / 2.0))
    np.testing.assert_allclose(probability, expected, atol=1e-6)
