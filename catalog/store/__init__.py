"""The private, immutable object storage. Only the publish job writes; only a view opens."""

from catalog.store.local import Deposit, LocalStore, StoredObject

__all__ = ["Deposit", "LocalStore", "StoredObject"]
