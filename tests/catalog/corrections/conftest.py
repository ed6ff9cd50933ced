"""The gate's fixtures: what is corrected was published through it."""

from tests.catalog.gate.conftest import gate, intake, staging

__all__ = ["gate", "intake", "staging"]
