"""Mount an archive in a process of its own: pyfuse3 allows one mount a process. Prints `ready` when the mount answers.

Usage: python -m tests.archimedfs.mount_runner CATALOGUE_URL STORE LOGIN MOUNTPOINT [--in-thread] [--owner UID] [--allow-other]
"""

import argparse
import logging
import os
import sys
from pathlib import Path

import sqlalchemy as sa

from archimedfs import archive
from archimedfs.calling import InThread, inline
from catalog.database import Database
from catalog.database.tables import users
from catalog.pure.access import Principal, Role
from catalog.pure.errors import ArchimedError
from catalog.pure.names import folded
from catalog.store import LocalStore
from catalog.view import Archive


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("store", type=Path)
    parser.add_argument("login")
    parser.add_argument("mountpoint", type=Path)
    parser.add_argument("--in-thread", action="store_true")
    parser.add_argument("--owner", type=int, default=os.getuid())
    parser.add_argument("--allow-other", action="store_true")
    asked = parser.parse_args()
    logging.basicConfig(format="%(levelname)s %(message)s")
    database = Database(asked.url)
    found = database.row(sa.select(users.c.id, users.c.role).where(users.c.login_key == folded(asked.login)))
    if found is None:
        return 2
    try:
        archive.run(
            Archive(database, LocalStore(asked.store)).view(Principal(found.id, asked.login, Role(found.role))),
            asked.mountpoint,
            owner_uid=asked.owner,
            owner_gid=asked.owner,
            allow_other=asked.allow_other,
            caller=InThread() if asked.in_thread else inline,
            on_ready=lambda: print("ready", flush=True),
        )
    except ArchimedError as error:
        print(error, file=sys.stderr)
        return 1
    finally:
        database.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
