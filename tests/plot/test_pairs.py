import re
from itertools import pairwise

import numpy as np
import pytest
import xarray as xr
from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from insarflow.errors import MissingVariableError, SchemaError, UnknownPairError
from insarflow.plot import Plot
from insarflow.plot.choice import chosen, middle
from insarflow.stack.labels import pairs_of, select_pair
from insarflow.types import Pair

NAMES = ("20210703_20210709", "20210703_20210715", "20210709_20210715", "20210709_20210721", "20210715_20210721")


def test_one_panel(ds):
    axis = Plot(ds).phase(NAMES[1])
    assert isinstance(axis, Axes)
    assert axis.get_title() == "20210703_20210715, 12 days"
    expected = np.angle(select_pair(ds, NAMES[1])["igram"].values)
    np.testing.assert_allclose(axis.images[0].get_array(), expected, atol=1e-6)
    assert axis.images[0].get_interpolation() == "nearest"
    assert pyplot.get_fignums()  # notebooks show it


@pytest.mark.parametrize("label", [NAMES[1], Pair.parse(NAMES[1]), ("20210703", 12), ("2021-07-03", "12D")])
def test_labels_of_one_pair(ds, label):
    assert Plot(ds).coherence(label).get_title() == "20210703_20210715, 12 days"


@pytest.mark.parametrize("labels", [[NAMES[1]], (NAMES[1], NAMES[0]), [("20210703", 12), ("20210703", 6)]])
def test_labels_of_several_pairs(ds, labels):
    assert len(chosen(ds, labels)) == len(labels)
    assert isinstance(Plot(ds).phase(labels), np.ndarray)


def test_facets_are_dates_by_delays(ds):
    axes = Plot(ds).phase()
    assert axes.shape == (3, 2)
    titles = [[a.get_title().split(",")[0] for a in row] for row in axes]
    assert titles == [[NAMES[0], NAMES[1]], [NAMES[2], NAMES[3]], [NAMES[4], ""]]
    assert [a.axison for a in axes.flat] == [True] * 5 + [False]
    for pair in pairs_of(ds):
        axis = next(a for a in axes.flat if a.get_title().startswith(pair.name))
        expected = np.angle(select_pair(ds, pair)["igram"].values)
        np.testing.assert_allclose(axis.images[0].get_array(), expected, atol=1e-6)


def test_facets_of_coherence(ds):
    axes = Plot(ds).coherence([NAMES[0], NAMES[3]])
    assert axes.shape == (2, 2)
    assert axes[1, 1].images[0].get_clim() == (0.0, 1.0)
    assert not axes[0, 1].axison


def test_one_interferogram(ds):
    one = select_pair(ds, NAMES[0])
    assert Plot(one).phase().get_title() == "20210703_20210709, 6 days"
    bare = xr.Dataset({"igram": (("y", "x"), one["igram"].values)})
    assert Plot(bare).phase().get_title() == ""
    with pytest.raises(ValueError, match="pair must be left out for a single interferogram, instead got pair='2021"):
        Plot(one).phase(NAMES[0])


def test_given_axes(ds):
    axis = Figure().subplots()
    assert Plot(ds).phase(NAMES[0], ax=axis) is axis
    assert not pyplot.get_fignums()


def test_a_lazy_valid_is_known(ds):
    lazy = ds.assign(valid=ds["valid"].chunk())
    assert len([a for a in Plot(lazy).phase().flat if a.axison]) == 5
    assert middle(ds) == Pair.parse(NAMES[3])


def test_before_after(ds):
    after = ds.assign(igram=ds["igram"] * np.complex64(np.exp(0.5j)))
    axes = Plot(ds).before_after(after, NAMES[0])
    np.testing.assert_allclose(axes[2].images[0].get_array(), 0.5, atol=1e-5)
    np.testing.assert_allclose(
        axes[0].images[0].get_array(), np.angle(select_pair(ds, NAMES[0])["igram"].values), atol=1e-6
    )
    assert [a.images[0].get_clim() for a in axes] == [axes[0].images[0].get_clim()] * 3
    assert axes[0].figure.get_suptitle() == "20210703_20210709, 6 days"
    assert len(Plot(select_pair(ds, NAMES[0])).before_after(select_pair(after, NAMES[0]))) == 3
    assert len(Plot(select_pair(ds, NAMES[0])).before_after(after)) == 3


def test_impolite_before_after(ds):
    plot = Plot(ds)
    with pytest.raises(
        ValueError, match="after must lie on the pixels of the stack before, instead got y=20 against y=40"
    ):
        plot.before_after(ds.insar.multilook(y=2, x=2))
    with pytest.raises(
        ValueError, match="after must be the interferogram of before, 20210703_20210709, instead got 20210703"
    ):
        plot.before_after(select_pair(ds, NAMES[1]), NAMES[0])
    bare = select_pair(ds, NAMES[0]).drop_vars(["date", "delay"])
    with pytest.raises(ValueError, match="after must be one interferogram as the one before is"):
        Plot(bare).before_after(ds)
    with pytest.raises(MissingVariableError, match=r"plot\.before_after needs the variable 'igram'"):
        plot.before_after(ds.drop_vars("igram"))


def test_impolite(ds):
    plot = Plot(ds)
    with pytest.raises(UnknownPairError, match="20210704_20210709"):
        plot.phase("20210704_20210709")
    with pytest.raises(MissingVariableError, match=r"plot\.coherence needs the variable 'coherence'"):
        Plot(ds.drop_vars("coherence")).coherence()
    with pytest.raises(TypeError, match="an interferogram is named"):
        plot.phase(3)
    with pytest.raises(TypeError, match="ax must be one matplotlib Axes"):
        plot.phase(NAMES[0], ax="left")
    with pytest.raises(TypeError, match="ax must be one matplotlib Axes"):
        plot.phase(ax=np.array([1]))
    with pytest.raises(ValueError, match="ax must be left out where several interferograms are drawn"):
        plot.phase(ax=Figure().subplots())
    with pytest.raises(ValueError, match="pairs must name at least one interferogram"):
        plot.phase([])
    with pytest.raises(TypeError, match=re.escape("plot.phase needs an xarray.Dataset, instead got DataArray")):
        Plot(ds["igram"]).phase()
    with pytest.raises(SchemaError, match="the stack holds none"):
        Plot(ds.assign(valid=ds["valid"] & False)).before_after(ds)


def test_too_many_panels(make):
    days = np.datetime64("2021-01-01") + 6 * np.arange(63)
    names = [f"{a}_{b}".replace("-", "") for a, b in pairwise(days)]
    many = make({name: np.ones((2, 2)) for name in names})
    with pytest.raises(
        ValueError, match=r"at most 60 on at most 240 panels.*62 pairs on 62 x 1: name some, as ds.insar"
    ):
        Plot(many).phase()
