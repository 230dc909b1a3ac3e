"""Work on a dask cluster: what its workers must have, checked before, and what they are sent."""

from insarflow.segment.workers.client import current_client
from insarflow.segment.workers.ready import ready_workers
from insarflow.segment.workers.sending import send_model

__all__ = ["current_client", "ready_workers", "send_model"]
