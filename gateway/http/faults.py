"""Unexpected errors, told without what they hold: an error's text and its traceback may repeat an identity."""


def describe(error: BaseException | None) -> str:
    """Return the kind of an error and the line it came from."""
    if error is None:
        return "no error"
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    where = f" at {trace.tb_frame.f_code.co_filename.rpartition('/')[2]}:{trace.tb_lineno}" if trace else ""
    return type(error).__name__ + where
