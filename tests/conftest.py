"""Fixtures for all tests, as plug-ins; each module in `fixtures` says what it gives."""

pytest_plugins = ["tests.fixtures.postgresql", "tests.fixtures.catalogue"]
