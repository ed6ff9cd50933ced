"""Copy the catalogue aside: archimed's Python - URL FILE. SQLite by its own backup, PostgreSQL by pg_dump."""

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

url, target = sys.argv[1], Path(sys.argv[2])
os.umask(0o077)
if url.startswith("sqlite:///"):
    source = Path(url.removeprefix("sqlite:///"))
    if not source.exists():
        sys.exit(0)
    target = target.with_name(target.name + ".db")
    with closing(sqlite3.connect(source)) as old, closing(sqlite3.connect(target)) as new:
        old.backup(new)
else:
    target = target.with_name(target.name + ".dump")
    name = os.environ.get("ARCHIMED_PASSWORD_FILE")
    password = {"PGPASSWORD": Path("/etc/archimed", name).read_text().strip()} if name else {}
    dump = ["pg_dump", "--format=custom", f"--file={target}", url.replace("+psycopg", "", 1)]
    done = subprocess.run(dump, check=False, env=os.environ | password, capture_output=True, text=True)  # noqa: S603 - no shell
    if done.returncode != 0:
        target.unlink(missing_ok=True)
        sys.exit(done.stderr)
print(f"backed up to {target}")
