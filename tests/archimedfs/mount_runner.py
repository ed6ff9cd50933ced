"""Mount an archive in a process of its own: pyfuse3 allows one mount a process. Prints `ready` when the mount answers.

Usage: python -m tests.archimedfs.mount_runner CATALOGUE_URL STORE LOGIN MOUNTPOINT [--in-thread] [--owner UID] [--allow-other]
       ... [--ranges]: from a store that has no descriptors
       ... [--beside]: with another tree beside the studies
       ... [--audit-seconds SECONDS]
       ... [--await-mount]: wait for archimed-fuse-mount; prints `opened` first
       ... [--staging FOLDER [--quota BYTES]]: the staging mount instead
       ... [--accounts FILE]: for all users (LOGIN does not count); the file is JSON, login -> Unix number, read each time
"""

import argparse
import json
import logging
import os
import sys
from pathlib import Path

from archimedfs.handover import Manager
from archimedfs.mounting import mount_for_all, mount_for_one, mount_staging_for_all, mount_staging_for_one
from archimedfs.user_roots import Account
from catalog.administration import principal
from catalog.audit import Keeper
from catalog.database import Database
from catalog.gate.drops.inbox import Inboxes
from catalog.gate.drops.quota import Limits
from catalog.gate.staged.area import Staging
from catalog.pure.errors import ArchimedError
from catalog.store.local import LocalStore
from catalog.view import Archive
from tests.stores import RangeStore
from tests.trees import FIXED


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("store", type=Path)
    parser.add_argument("login")
    parser.add_argument("mountpoint", type=Path)
    parser.add_argument("--in-thread", action="store_true")
    parser.add_argument("--owner", type=int, default=os.getuid())
    parser.add_argument("--allow-other", action="store_true")
    parser.add_argument("--accounts", type=Path)
    parser.add_argument("--await-mount", action="store_true")
    parser.add_argument("--ranges", action="store_true")
    parser.add_argument("--beside", action="store_true")
    parser.add_argument("--staging", type=Path)
    parser.add_argument("--quota", type=int)
    parser.add_argument("--audit-seconds", type=float, default=10, help="how often reads are written down; 0: they are not")
    asked = parser.parse_args()
    logging.basicConfig(format="%(levelname)s %(message)s")
    database = Database(asked.url)
    keeper = Keeper(database, asked.audit_seconds)
    store = RangeStore(asked.store) if asked.ranges else LocalStore(asked.store)
    archive = Archive(database, store, keeper.reads if asked.audit_seconds else None, [FIXED] if asked.beside else [])
    if asked.audit_seconds:
        keeper.start()

    def account(login: str) -> Account | None:
        number = json.loads(asked.accounts.read_text()).get(login)
        return None if number is None else Account(number, number)

    def ready() -> None:
        print("ready", flush=True)

    shown: Archive | Inboxes = archive
    if asked.staging:
        shown = Inboxes(database, Staging(asked.staging), Limits(per_user=asked.quota))
    for_all, for_one = (mount_staging_for_all, mount_staging_for_one) if asked.staging else (mount_for_all, mount_for_one)
    manager = Manager(lambda: print("opened", flush=True)) if asked.await_mount else None
    try:
        if asked.accounts:
            for_all(
                shown,
                database,
                asked.mountpoint,
                accounts=account,
                in_thread=asked.in_thread,
                on_ready=ready,
                manager=manager,
            )
        else:
            for_one(
                shown, database, asked.mountpoint, user=principal(database, asked.login),
                owner=Account(asked.owner, asked.owner), allow_other=asked.allow_other, in_thread=asked.in_thread,
                on_ready=ready, manager=manager,
            )  # fmt: skip
    except ArchimedError as error:
        print(error, file=sys.stderr)
        return 1
    finally:
        keeper.stop()
        database.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
