import numpy as np
import pytest

from insarflow.errors import MissingVariableError, SchemaError
from insarflow.plot import Plot
from insarflow.plot.matrix import coherence_table

IMAGE = np.ones((3, 4), np.complex64)
COHERENCE = {"20210101_20210107": 0.9, "20210107_20210113": 0.8, "20210101_20210119": 0.3}


def test_the_matrix_is_symmetric(make):
    ds = make(dict.fromkeys(COHERENCE, IMAGE), coherence=COHERENCE)
    days, matrix = coherence_table(ds)
    assert [str(d)[:10] for d in days] == ["2021-01-01", "2021-01-07", "2021-01-13", "2021-01-19"]
    nan = np.nan
    expected = [[nan, 0.9, nan, 0.3], [0.9, nan, 0.8, nan], [nan, 0.8, nan, nan], [0.3, nan, nan, nan]]
    np.testing.assert_allclose(matrix, expected, rtol=1e-6)


def test_means_leave_missing_pixels_out(ds):
    holes = ds.assign(coherence=ds["coherence"].where(ds["x"] > ds["x"][30]))
    _, matrix = coherence_table(holes)
    pair = holes["coherence"].isel(date=0, delay=0)
    assert matrix[0, 1] == pytest.approx(float(pair.mean()), rel=1e-5)


def test_the_picture(ds):
    axis = Plot(ds).coherence_matrix()
    assert [t.get_text() for t in axis.get_yticklabels()] == ["2021-07-03", "2021-07-09", "2021-07-15", "2021-07-21"]
    assert len(axis.texts) == 10  # every pair, twice
    assert Plot(ds).coherence_matrix(ax=axis) is axis


def test_many_dates(make):
    days = np.datetime64("2021-01-01") + 6 * np.arange(60)
    names = [f"{a}_{b}".replace("-", "") for a, b in zip(days[:-1], days[1:], strict=True)]  # noqa: RUF007
    axis = Plot(make(dict.fromkeys(names, IMAGE), coherence=dict.fromkeys(names, 0.5))).coherence_matrix()
    assert len(axis.get_xticklabels()) == 20
    assert not axis.texts


def test_impolite(ds):
    with pytest.raises(MissingVariableError, match=r"plot\.coherence_matrix needs the variable 'coherence'"):
        Plot(ds.drop_vars("coherence")).coherence_matrix()
    with pytest.raises(SchemaError, match="a network needs at least one interferogram"):
        Plot(ds.assign(valid=ds["valid"] & False)).coherence_matrix()
    with pytest.raises(TypeError, match="ax must be one matplotlib Axes"):
        Plot(ds).coherence_matrix(ax=1)
