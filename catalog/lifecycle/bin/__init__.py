"""The bin: what is taken out of the archive and can be brought back, until it is purged.

requests   what a person asks for: put, list, restore, purge
job        the job that does it
moving     rows between the archive and the bin
purging    what goes for good
expiry     what goes by itself
"""

from catalog.lifecycle.bin.job import BinJob
from catalog.lifecycle.bin.requests import Bin, Entry, KeepFor

__all__ = ["Bin", "BinJob", "Entry", "KeepFor"]
