"""Who did what, and when: entries are added in the transaction of what they record, and never changed."""

from catalog.audit.journal import Actor, Entry, entries, record

__all__ = ["Actor", "Entry", "entries", "record"]
