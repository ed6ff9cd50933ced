"""gunicorn's worker with threads, whose threads make answers and do not wait for who reads them.

What a client has not taken when its answer is made goes to the process's `Sender`, and the connection comes back to gunicorn
when it is sent. May live here: what ties gunicorn to `outgoing`.
"""

from concurrent import futures
from typing import Any

from gunicorn.workers.gthread import ThreadWorker

from gateway.http.outgoing import Outgoing, Sender, Shares

_HANDED_OVER = object()
_CLOSERS = 4

shares = Shares()
"""Of this process."""


class Worker(ThreadWorker):  # type: ignore[misc] # gunicorn has no types
    """A process that answers."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._sender: Sender
        self._closing: futures.ThreadPoolExecutor

    def run(self) -> None:
        """Answer until told to end."""
        self._sender = Sender()  # here: a pipe and threads are the process's own
        self._closing = futures.ThreadPoolExecutor(_CLOSERS, "closing")
        try:
            super().run()
        finally:
            self._sender.stop()
            self._closing.shutdown(wait=False, cancel_futures=True)

    def enqueue_req(self, conn: Any) -> None:
        """Have a request answered by a thread."""
        if not isinstance(conn.sock, Outgoing):
            conn.sock = Outgoing(conn.sock)
        super().enqueue_req(conn)

    def handle(self, conn: Any) -> object:
        """Answer a request, in a thread; what its client does not take at once is sent by another."""
        keeps = super().handle(conn)
        connection: Outgoing = conn.sock
        if connection.fileno() < 0 or connection.is_empty:
            return keeps
        try:
            if connection.pieces is None and connection.push():
                return keeps
        except (OSError, ValueError):
            connection.cut()
            connection.end_body()
            return False
        self._sender.add(connection, lambda whole: self._sent(conn, keeps, whole))
        return _HANDED_OVER

    def _sent(self, conn: Any, keeps: object, whole: bool) -> None:
        self.method_queue.defer(self._take_back, conn, keeps if whole else None)

    def _take_back(self, conn: Any, keeps: object) -> None:
        if keeps is None:
            self.nr_conns -= 1
            conn.close()
            return
        done: futures.Future[object] = futures.Future()
        done.set_result(keeps)
        self.finish_request(conn, done)

    def finish_request(self, conn: Any, fs: Any) -> None:
        """Go on with a connection whose request a thread has answered, unless it is still being sent."""
        if fs.cancelled() or fs.exception() is not None:
            super().finish_request(conn, fs)
        elif not fs.result():
            # Not here, as gunicorn does: to close in order means to wait up to two seconds for a client that does not.
            self.nr_conns -= 1
            self._closing.submit(conn.close, graceful=True)
        elif fs.result() is not _HANDED_OVER:
            super().finish_request(conn, fs)
