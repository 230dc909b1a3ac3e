import numpy as np
import pytest
import xarray as xr
from dask.callbacks import Callback
from geopandas.testing import assert_geodataframe_equal

import insarflow
from insarflow.errors import MissingVariableError
from insarflow.inventory.truth import true_movers


@pytest.fixture(scope="module")
def truth():
    truth = insarflow.simulate_stack((128, 140), seed=4, acquisitions=3, delays=(6,), movers=8)[1]
    return truth[["label", "los_rate", "kind", "confidence", "speed", "peak_rate", "visible"]].load()


def test_movers_are_those_of_the_labels(truth):
    movers = true_movers(truth)
    label, rate = truth["label"].values, truth["los_rate"].values
    assert movers["number"].tolist() == truth["mover"].values.tolist() == list(range(1, label.max() + 1))
    assert movers.crs.to_epsg() == 32632
    for row in movers.itertuples():
        inside = label == row.number
        assert row.geometry.area == pytest.approx(inside.sum() * 20.0**2)
        fastest = rate[inside][np.abs(rate[inside]).argmax()]
        assert row.peak_rate_m_yr == fastest
        mover = truth.sel(mover=row.number)
        # The core's, seen at its middle; the fastest pixel lies elsewhere, if the core lies in the region at all.
        assert abs(fastest) <= mover["peak_rate"] * 1.05
        assert (row.kind, row.confidence, row.speed_m_yr) == tuple(
            mover[name].item() for name in ("kind", "confidence", "speed")
        )
    whole = [row for row in movers.itertuples() if (label == row.number).sum() > 50]
    assert np.mean([abs(r.peak_rate_m_yr) / truth["peak_rate"].sel(mover=r.number).item() for r in whole]) > 0.8
    assert movers["visible_pairs"].tolist() == truth["visible"].sum(("date", "delay")).values.tolist()


def test_a_mover_in_two_pieces_is_one_row(truth):
    label = truth["label"].copy(data=np.zeros_like(truth["label"].values))
    label[2, 2] = label[3, 3] = label[9, 9] = 1
    movers = true_movers(truth.isel(mover=[0]).assign(label=label))
    assert len(movers) == 1
    assert movers.geometry[0].area == 3 * 400.0


def test_it_may_be_lazy_and_is_computed_once(truth):
    lazy = truth.chunk()
    computed = []
    with Callback(pretask=lambda key, *_: computed.append(key)):
        movers = true_movers(lazy)
    assert len(computed) == len(set(map(str, computed)))
    assert_geodataframe_equal(movers, true_movers(truth))


def test_no_mover_is_an_empty_table(truth):
    assert len(true_movers(truth.isel(mover=[]).assign(label=truth["label"] * 0))) == 0


def test_what_is_no_truth(truth):
    with pytest.raises(MissingVariableError, match="true_movers needs the variable 'visible'"):
        true_movers(truth.drop_vars("visible"))
    with pytest.raises(TypeError, match=r"true_movers needs an xarray\.Dataset"):
        true_movers(xr.DataArray(0))
