"""What keeps a model in workers: also in those that start later. Loaded only where there is a client."""

from __future__ import annotations

import tempfile
from pathlib import Path

from distributed import Worker, WorkerPlugin
from distributed.protocol.pickle import dumps, loads

from insarflow.errors import ModelError
from insarflow.learn.model_files import ModelFiles, forget_files
from insarflow.segment.own import OwnModule, drop, keep
from insarflow.segment.workers.sending import note_failure


def pickled(own: OwnModule) -> bytes:
    """The module as dask sends it to its own processes.

    Raises
    ------
    ModelError
        If it cannot be pickled.
    """
    try:
        return bytes(dumps(own.module))
    # Pickling runs methods of the caller's classes, which may raise anything.
    except Exception as error:
        raise ModelError(
            f"model {own.name!r} cannot be sent to the workers of a cluster, as it cannot be pickled: {error}; save it "
            "with insarflow.save_model and give its path, or compute without the cluster"
        ) from error


class HoldModule(WorkerPlugin):
    """Keeps a module of the caller's own.

    Attributes
    ----------
    sha256, data
        Of the module, and the module pickled.
    """

    def __init__(self, own: OwnModule, data: bytes) -> None:
        self.sha256, self.data = own.sha256, data

    def setup(self, worker: Worker) -> None:
        """In a worker: keep it. A failure is told once the worker is asked: it is no reason for it to end."""
        try:
            keep(loads(self.data), self.sha256)
        # As above; and the classes' module may not be installed there.
        except Exception as error:
            note_failure(self.sha256, error)
        # The module is kept, its bytes need not be.
        self.data = b""

    def teardown(self, worker: Worker) -> None:
        """In a worker: keep it no longer."""
        drop(self.sha256)


class HoldFiles(WorkerPlugin):
    """Keeps a model's files, in a folder that the worker removes when it ends.

    Attributes
    ----------
    sha256
        Of the weights.
    files
        Their content; None once they are written.
    """

    def __init__(self, files: ModelFiles) -> None:
        self.sha256: str = files.ref.sha256
        self.files: ModelFiles | None = files

    def setup(self, worker: Worker) -> None:
        """In a worker: write them."""
        try:
            folder = tempfile.mkdtemp(prefix="insarflow-model-", dir=worker.local_directory)
            if self.files is not None:
                self.files.put(Path(folder))
                self.files = None
        except OSError as error:
            note_failure(self.sha256, error)

    def teardown(self, worker: Worker) -> None:
        """In a worker: take it from there no longer."""
        forget_files(self.sha256)
