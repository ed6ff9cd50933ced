"""The private, immutable object storage. Only the publish job writes; only a view opens.

model     what a store is: the Protocols
records   what the records beside the objects hold
steps     what was done to files since: the records of corrections and of the bin
local     the store in a local folder; named by `gateway/wiring.py` alone
testing   the suite that every store must pass
"""

from catalog.store.model import Deposit, ObjectReader, ObjectStore, RecordStore, Store, StoredObject

__all__ = ["Deposit", "ObjectReader", "ObjectStore", "RecordStore", "Store", "StoredObject"]
