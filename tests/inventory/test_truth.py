import numpy as np
import pytest
import xarray as xr

import insarflow
from insarflow.errors import MissingVariableError
from insarflow.inventory.truth import true_movers


@pytest.fixture(scope="module")
def truth():
    return insarflow.simulate_stack((128, 140), seed=4, acquisitions=3, delays=(6,), movers=8)[1]


def test_movers_are_those_of_the_labels(truth):
    movers = true_movers(truth)
    label, rate = truth["label"].values, truth["los_rate"].values
    assert movers["number"].tolist() == list(range(1, label.max() + 1))
    assert movers.crs.to_epsg() == 32632
    for row in movers.itertuples():
        inside = label == row.number
        assert row.geometry.area == pytest.approx(inside.sum() * 20.0**2)
        fastest = rate[inside][np.abs(rate[inside]).argmax()]
        assert row.peak_rate_m_yr == fastest
        assert abs(fastest) == truth["peak_rate"].values[row.number - 1]
    assert movers["visible_pairs"].tolist() == truth["visible"].sum(("date", "delay")).values.tolist()


def test_a_mover_in_two_pieces_is_one_row(truth):
    label = truth["label"].copy(data=np.zeros_like(truth["label"].values))
    label[2, 2] = label[3, 3] = label[9, 9] = 1
    movers = true_movers(truth.isel(mover=[0]).assign(label=label))
    assert len(movers) == 1
    assert movers.geometry[0].area == 3 * 400.0


def test_what_is_no_truth(truth):
    with pytest.raises(MissingVariableError, match="true_movers needs the variable 'visible'"):
        true_movers(truth.drop_vars("visible"))
    with pytest.raises(TypeError, match=r"true_movers needs an xarray\.Dataset"):
        true_movers(xr.DataArray(0))
