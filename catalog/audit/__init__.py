"""Who did what, and when: entries are added in the transaction of what they record, chained by hash, and never changed."""

from catalog.audit.journal import Actor, Entry, Wanted, entries, record
from catalog.audit.verifying import Verdict, verify

__all__ = ["Actor", "Entry", "Verdict", "Wanted", "entries", "record", "verify"]
