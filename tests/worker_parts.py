"""Networks and questions that the workers of a cluster must be able to import."""

import multiprocessing
import os
import time

import torch

from insarflow.learn import model_files


class Slow(torch.nn.Module):
    """A small network that takes its time in a worker."""

    def __init__(self):
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(2)
            self.layers = torch.nn.Sequential(
                torch.nn.Conv2d(3, 4, 5, padding=2), torch.nn.ReLU(), torch.nn.Conv2d(4, 1, 3, padding=1)
            )

    def forward(self, x):
        if multiprocessing.parent_process() is not None:
            time.sleep(0.3)
        return self.layers(x)


class Deadly(Slow):
    """A network whose worker ends."""

    def forward(self, x):
        if multiprocessing.parent_process() is not None:
            os._exit(1)
        return self.layers(x)


class Unpicklable(Slow):
    """What holds a connection cannot be pickled."""

    def __getstate__(self):
        raise TypeError("cannot pickle a connection to a server")

    def __deepcopy__(self, memo):
        return self


def hide(path, dask_worker):
    """Let a worker not see a model."""
    real = getattr(model_files.locate, "real", model_files.locate)

    def locate(source):
        if str(source) == path:
            raise model_files.ModelError(f"no {source}")
        return real(source)

    locate.real = real
    model_files.locate = locate


def process():
    """Number of the process."""
    return os.getpid()


def sent(dask_worker):
    """Models in the folder of a worker."""
    return [str(path) for path in model_files._SENT.values()], dask_worker.local_directory


async def give(dask_worker, **resources):
    """Give a worker resources."""
    await dask_worker.set_resources(**resources)
