"""Fixtures for all tests, as plug-ins; each module in `fixtures` says what it gives."""

import signal

pytest_plugins = ["tests.fixtures.postgresql", "tests.fixtures.catalogue"]

# A shell starts what it puts into the background with SIGINT ignored, and programs that the tests start would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
