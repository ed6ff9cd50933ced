"""Who did what, who read what, and when: chained by hash, and never changed.

journal    an entry for each action, in the transaction of what it records
reads      who reads what, counted in memory; refusals: logins that were refused, likewise
keeping    writes both down, some seconds behind
read_log   the table of reads
closing    years that are over, in files
verifying  whether all of it still is what was written
"""

from catalog.audit.closing import Closed, close_year
from catalog.audit.journal import Actor, Entry, Wanted, entries, record
from catalog.audit.keeping import Keeper
from catalog.audit.read_log import ExamRead, Read, list_exams_read, list_reads
from catalog.audit.reads import Face, Reader, Reads
from catalog.audit.refusals import Refusals
from catalog.audit.verifying import Verdict, verify

__all__ = [
    "Actor",
    "Closed",
    "Entry",
    "ExamRead",
    "Face",
    "Keeper",
    "Read",
    "Reader",
    "Reads",
    "Refusals",
    "Verdict",
    "Wanted",
    "close_year",
    "entries",
    "list_exams_read",
    "list_reads",
    "record",
    "verify",
]
