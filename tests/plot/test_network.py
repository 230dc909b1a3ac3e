import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.collections import LineCollection, PathCollection
from matplotlib.figure import Figure

from insarflow.errors import MissingVariableError, SchemaError
from insarflow.plot import Plot
from insarflow.plot.network import network_of, positions, spread
from insarflow.types import Pair

IMAGE = np.ones((3, 4), np.complex64)
CHAIN = ("20210101_20210107", "20210107_20210113", "20210101_20210113")
APART = ("20210301_20210307", "20210307_20210313")


def pairs(*names):
    return [Pair.parse(n) for n in names]


def edges(axis):
    return [c for c in axis.collections if isinstance(c, LineCollection)]


def nodes(axis):
    return [c for c in axis.collections if isinstance(c, PathCollection)]


@given(data=st.data())
def test_consistent_baselines_are_recovered(data):
    n = data.draw(st.integers(2, 12))
    truth = np.array(data.draw(st.lists(st.floats(-300, 300), min_size=n, max_size=n)))
    ends = data.draw(
        st.sets(st.tuples(st.integers(0, n - 1), st.integers(0, n - 1)).filter(lambda e: e[0] < e[1]), min_size=1)
    )
    days = np.datetime64("2021-01-01", "ns") + np.arange(n) * np.timedelta64(6, "D")
    network = network_of([Pair(days[i], days[j]) for i, j in sorted(ends)])
    at = np.searchsorted(days, network.days)
    found = positions(network, np.array([truth[j] - truth[i] for i, j in sorted(ends)]))
    for part in range(network.part.max() + 1):
        here = network.part == part
        expected = truth[at[here]] - truth[at[here]].mean()
        np.testing.assert_allclose(found[here], expected, atol=1e-8)


def test_inconsistent_baselines_are_fitted():
    found = positions(network_of(pairs(*CHAIN)), np.array([10.0, 10.0, 26.0]))
    np.testing.assert_allclose(np.diff(found), [12.0, 12.0])  # each pair is off by 2 m


def test_unknown_baselines():
    network = network_of(pairs(*CHAIN[:2]))
    np.testing.assert_allclose(positions(network, np.array([10.0, np.nan])), [-5.0, 5.0, np.nan])


def test_parts():
    network = network_of(pairs(*APART, *CHAIN))
    assert network.part.tolist() == [0, 0, 0, 1, 1, 1]
    assert network.ends.tolist() == [[3, 4], [4, 5], [0, 1], [1, 2], [0, 2]]


def test_the_picture(make):
    baselines = {CHAIN[0]: 10.0, CHAIN[1]: 20.0, APART[0]: -5.0}
    coherence = dict(zip((*CHAIN, *APART), (0.9, 0.8, 0.5, 0.7, 0.6), strict=True))
    ds = make(dict.fromkeys((*CHAIN, *APART), IMAGE), baselines=baselines, coherence=coherence)
    axis = Plot(ds).network()
    assert axis.get_title() == "6 acquisitions, 5 interferograms, 2 unconnected parts"
    assert axis.get_ylabel() == "perpendicular baseline (m)"
    solid, dashed = edges(axis)
    assert (len(solid.get_segments()), len(dashed.get_segments())) == (3, 2)
    first, second = nodes(axis)
    np.testing.assert_allclose(first.get_offsets()[:, 1], np.array([-40, -10, 50]) / 3, atol=1e-6)
    np.testing.assert_allclose(second.get_offsets()[:, 1], [2.5, -2.5, 0.0], atol=1e-6)
    assert [t.get_text() for t in axis.get_legend().get_texts()] == [
        "baseline unknown",
        "part 1: 3 dates",
        "part 2: 3 dates",
    ]
    assert axis.figure.axes[1].get_ylabel() == "mean coherence"


def test_arcs_without_baselines(make):
    axis = Plot(make(dict.fromkeys(CHAIN, IMAGE))).network(ax=Figure().subplots())
    heights = [segment[:, 1].max() for segment in edges(axis)[0].get_segments()]
    assert sorted(heights) == pytest.approx([6.0, 6.0, 12.0])
    assert axis.get_ylabel() == "delay (days)"
    assert axis.figure.axes[1].get_ylabel() == "delay (days)"


def test_no_pixel_is_read_for_delays(ds, forbid_compute):
    with forbid_compute():
        assert Plot(ds).network(colour="delay").get_title() == "4 acquisitions, 5 interferograms"


@pytest.mark.parametrize(
    ("coherence", "ends"),
    [
        ([0.66, 0.75], (0.6, 0.8)),
        ([0.7, 0.7], (0.5, 0.7)),
        ([0.0], (0.0, 0.2)),
        ([1.0], (0.8, 1.0)),
        ([np.nan], (0.0, 1.0)),
    ],
)
def test_colours_spread(coherence, ends):
    assert spread(np.array(coherence)) == pytest.approx(ends)


def test_a_pair_without_pixels_is_grey(make):
    ds = make(dict.fromkeys(CHAIN, IMAGE), coherence={CHAIN[0]: 0.5, CHAIN[1]: np.nan, CHAIN[2]: 0.6})
    grey = edges(Plot(ds).network())[0].get_colors()
    assert (grey == (0.7, 0.7, 0.7, 1.0)).all(axis=1).sum() == 1


def test_impolite(ds, make):
    plot = Plot(ds)
    with pytest.raises(ValueError, match="colour must be 'coherence' or 'delay', instead got colour='red'"):
        plot.network(colour="red")
    with pytest.raises(
        MissingVariableError, match=r"plot\.network\(colour='coherence'\) needs the variable 'coherence'"
    ):
        Plot(ds.drop_vars("coherence")).network(colour="coherence")
    with pytest.raises(TypeError, match="ax must be one matplotlib Axes"):
        plot.network(ax=[1])
    with pytest.raises(SchemaError, match="a stack must have dimensions"):
        Plot(ds.isel(date=0, delay=0)).network()
    with pytest.raises(SchemaError, match="a network needs at least one interferogram"):
        Plot(ds.assign(valid=ds["valid"] & False)).network()
