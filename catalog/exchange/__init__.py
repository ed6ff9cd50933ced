"""What goes to DICOM peers: files, and reports on storage commitments. Each is a delivery, made by a job of the queue.

May live here: what waits, for whom, what became of it, and which rule queued it. Not: protocols (`gateway.dicom`).
"""

from catalog.exchange.deliveries import (
    Delivery,
    FileState,
    Waiting,
    count_try,
    find_delivery,
    pause_before,
    queue_commitment,
    queue_files,
    receipt,
    settle,
    try_failed_again,
    waiting_files,
    whose,
)
from catalog.exchange.routes import queue_routes

__all__ = [
    "Delivery", "FileState", "Waiting", "count_try", "find_delivery", "pause_before", "queue_commitment", "queue_files",
    "queue_routes", "receipt", "settle", "try_failed_again", "waiting_files", "whose",
]  # fmt: skip
