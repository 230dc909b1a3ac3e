import json
from dataclasses import dataclass

import pytest
from typer.testing import CliRunner

import insarflow
from insarflow.cli import app


@dataclass(frozen=True)
class Said:
    """What a command printed, and its exit status."""

    status: int
    out: str
    err: str

    @property
    def facts(self):
        return json.loads(self.out)


@pytest.fixture(scope="session")
def run():
    """``run("info", path)``: the command line in this process."""

    def call(*arguments):
        result = CliRunner().invoke(app, [str(a) for a in arguments])
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Said(result.exit_code, result.stdout, result.stderr)

    return call


@pytest.fixture(scope="session")
def stack(tmp_path_factory):
    """A tiny simulated stack with three interferograms."""
    ds, _ = insarflow.simulate_stack((96, 100), seed=5, acquisitions=3, delays=[6, 12], movers=2)
    return insarflow.write_stack(ds, tmp_path_factory.mktemp("cli") / "stack.zarr")
