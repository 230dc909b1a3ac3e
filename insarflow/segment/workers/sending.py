"""Models to the workers of a cluster that do not have them, once to each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from insarflow.errors import WorkerError
from insarflow.learn.model_files import ModelRef, read_files, why_not_here
from insarflow.segment.own import OwnModule, is_kept

if TYPE_CHECKING:
    from distributed import Client


def send_model(client: Client, source: ModelRef | OwnModule) -> None:
    """Give every worker a model that it does not have, now or once it starts.

    A module of the caller's own is pickled by dask, from this process to the workers that it trusts with all other
    work. A model on disk is not: workers that do not see its files get their bytes, which they check as any other
    model's, in a temporary folder that ends with the worker.

    Raises
    ------
    ModelError
        If a module cannot be pickled.
    WorkerError
        If a worker cannot load it, named, or does not answer.
    """
    lacking = _lacking(client, source)
    if not any(lacking.values()) and (lacking or isinstance(source, ModelRef)):
        return
    from insarflow.segment.workers.plugin import HoldFiles, HoldModule, pickled

    plugin = HoldFiles(read_files(source)) if isinstance(source, ModelRef) else HoldModule(source, pickled(source))
    client.register_plugin(plugin, name=f"insarflow-model-{source.sha256}")
    failed = {worker: why for worker, why in _lacking(client, source).items() if why}
    if failed:
        # Whoever starts later would fail as well.
        client.unregister_worker_plugin(f"insarflow-model-{source.sha256}")
        told = "; ".join(f"on worker {worker}: {why}" for worker, why in failed.items())
        way_out = (
            "a network of your own must be registered there: dask worker --preload MODULE, or an installed package"
            if isinstance(source, ModelRef)
            else "install the module that defines it there, or save the model with insarflow.save_model and give its "
            "path"
        )
        raise WorkerError(f"model {source.name!r} cannot be loaded {told}; {way_out}")


def _lacking(client: Client, source: ModelRef | OwnModule) -> dict[str, str]:
    """By worker, why it does not have the model; empty if it has."""
    found: dict[str, Any] = client.run(lacks, source, on_error="return")
    failed = {worker: answer for worker, answer in found.items() if not isinstance(answer, str)}
    if failed:
        told = "; ".join(f"worker {worker}: {error}" for worker, error in failed.items())
        raise WorkerError(
            f"cannot be asked for the model {source.name!r}: {told}; start workers in this environment, with this "
            "version of insarflow"
        )
    return found


def lacks(source: ModelRef | OwnModule) -> str:
    """In a worker: why it does not have a model; empty if it has."""
    if isinstance(source, ModelRef):
        why = why_not_here(source)
        return _FAILED.get(source.sha256, why) if why else ""
    return "" if is_kept(source.sha256) else _FAILED.get(source.sha256, "it was not sent")


def note_failure(sha256: str, error: Exception) -> None:
    """In a worker: remember why a model that was sent could not be kept."""
    _FAILED[sha256] = f"{type(error).__name__}: {error}"


_FAILED: dict[str, str] = {}
