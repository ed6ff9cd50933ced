"""Jobs: the queue in the catalogue, and the worker that runs them. What a job does is handed in by wiring, as a `Handler`."""

from catalog.jobs.queue import (
    Job,
    JobInfo,
    JobKind,
    Queue,
    Stop,
    cancel,
    enqueue,
    list_jobs,
    requeue,
    requeue_failed,
    show_job,
    waiting_jobs,
    worker_name,
)
from catalog.jobs.worker import Chore, Handler, Worker

__all__ = [
    "Chore", "Handler", "Job", "JobInfo", "JobKind", "Queue", "Stop", "Worker", "cancel", "enqueue", "list_jobs", "requeue",
    "requeue_failed", "show_job", "waiting_jobs", "worker_name",
]  # fmt: skip
