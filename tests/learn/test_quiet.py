from dataclasses import replace

import numpy as np
import pytest
import torch

from insarflow.learn.calibration import Calibration
from insarflow.learn.quiet import AT_REST, at_rest, probabilities, quiet_threshold
from insarflow.simulate.truth import MOVING


def spotted(*heights):
    """Spots of 144 pixels, each as high as told."""
    out = np.zeros((16, 16 * len(heights)), np.float32)
    for k, height in enumerate(heights):
        out[2:14, 16 * k + 2 : 16 * k + 14] = height
    return out


def test_the_lowest_threshold_with_as_many_outlines_as_are_borne():
    maps = [spotted(0.295, 0.495), spotted(0.695, 0.895)]
    # Two maps of 50 km2: one outline is one per 100 km2.
    assert quiet_threshold(maps, area=50.0) == 0.7
    assert quiet_threshold(maps, area=50.0, most=2.0) == 0.5
    assert quiet_threshold(maps, area=50.0, most=0.5) == 0.9
    assert quiet_threshold(maps, area=1e6) == 0.1
    small = spotted(0.8)
    small[4:, :] = 0
    assert quiet_threshold([small], area=1.0) == 0.1


def test_ground_that_is_never_quiet_and_no_ground_at_all_are_told():
    with pytest.raises(ValueError, match="at every threshold there are more than 1 outlines per 100 km2"):
        quiet_threshold([spotted(1.0)], area=1.0)
    with pytest.raises(ValueError, match="maps must hold an interferogram at rest, instead got none"):
        quiet_threshold([], area=1.0)


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
