import contextlib
import os
from pathlib import Path

# Before anything loads a numerical library: the tests' own workers share the cores already.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import dask
import pytest
from hypothesis import settings

settings.register_profile("local", deadline=None, max_examples=12)
settings.register_profile("ci", settings.get_profile("local"), derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "local")


class ForbiddenComputeError(Exception):
    """Something was computed that had to stay lazy."""


def _refuse(graph, keys, **kwargs):
    raise ForbiddenComputeError(f"computed {keys}")


@pytest.fixture(scope="session")
def forbid_compute():
    """``with forbid_compute():`` any dask computation inside fails."""

    @contextlib.contextmanager
    def context():
        with dask.config.set(scheduler=_refuse):
            yield

    return context


@pytest.fixture(scope="session")
def data():
    """Folder of the real data sets, which lies beside the repository."""
    folder = Path(__file__).parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("real data not at hand")
    return folder


@pytest.fixture(scope="session")
def outlined(tmp_path_factory):
    """A small stack with outlined movers."""
    from outlined import outline

    return outline(tmp_path_factory.mktemp("outlined"))


@pytest.fixture(scope="session")
def sim1(tmp_path_factory):
    """The first scenes of insarflow-sim-1."""
    from insarflow.datasets.sim1 import generate

    return generate(tmp_path_factory.mktemp("sim1"), scenes={"train": 2, "validation": 2, "test": 1})
