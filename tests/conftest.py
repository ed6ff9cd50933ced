"""Fixtures for all tests, as plug-ins; each module in `fixtures` says what it gives."""

import signal

from hypothesis import HealthCheck, settings

pytest_plugins = ["tests.fixtures.postgresql", "tests.fixtures.catalogue"]

# How long an example takes says how busy the machine is, not whether it is right.
settings.register_profile("archimed", settings.default, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("archimed")

# A shell starts what it puts into the background with SIGINT ignored, and programs that the tests start would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
