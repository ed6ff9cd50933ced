"""The gate's fixtures: what is put into the bin was published through it."""

from tests.catalog.gate.conftest import gate, inbox, inbox_of, inboxes, intake, staging

__all__ = ["gate", "inbox", "inbox_of", "inboxes", "intake", "staging"]
