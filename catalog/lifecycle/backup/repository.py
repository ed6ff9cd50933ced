"""A backup's folder, put into a restic or borg repository: encrypted, deduplicated, and kept as long as the site wants.

May live here: calling these programs. Not: what is in the folder (`create`), nor what of a repository is forgotten.
"""

import os
import shlex
import shutil
import subprocess
from pathlib import Path

from catalog.pure.errors import Refused, Unavailable

KINDS = ("restic", "borg")


def put(repository: str, password_file: Path | None, folder: Path) -> None:
    """Make a snapshot of a folder in a repository, which is made if it is not there.

    Args:
        repository: the program, a colon, and what it calls the repository: `restic:/mnt/repository`, `borg:/mnt/repository`.
        password_file: the file with its password.
        folder: what goes into it.

    Raises:
        Refused: the program is not installed, or there is no password.
        Unavailable: it failed.
    """
    kind, _, place = repository.partition(":")
    if shutil.which(kind) is None:
        raise Refused(f"{kind} is not installed; on Debian it is in the package {'borgbackup' if kind == 'borg' else kind}")
    if password_file is None or not password_file.is_file():
        raise Refused("[backup] repository_password_file is missing: a repository is encrypted with it")
    (_restic if kind == "restic" else _borg)(place, password_file, folder)


def _restic(place: str, password_file: Path, folder: Path) -> None:
    base = ["restic", "--quiet", "--no-cache", "--repo", place, "--password-file", str(password_file)]
    if _status([*base, "cat", "config"], {}) != 0:
        _run([*base, "init"], {}, folder)
    _run([*base, "backup", "--tag", "archimed", "."], {}, folder)


def _borg(place: str, password_file: Path, folder: Path) -> None:
    asked = {"BORG_PASSCOMMAND": f"cat {shlex.quote(str(password_file))}", "BORG_RELOCATED_REPO_ACCESS_IS_OK": "yes"}
    if _status(["borg", "info", place], asked) != 0:
        _run(["borg", "init", "--encryption=repokey-blake2", place], asked, folder)
    _run(["borg", "create", f"{place}::archimed-{{now}}", "."], asked, folder)


def _status(words: list[str], environment: dict[str, str]) -> int:
    return subprocess.run(  # noqa: S603 - the words are ours and the configuration's
        words, env=os.environ | environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        check=False,
    ).returncode  # fmt: skip


def _run(words: list[str], environment: dict[str, str], folder: Path) -> None:
    done = subprocess.run(  # noqa: S603 - as above
        words, env=os.environ | environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        cwd=folder, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        raise Unavailable(
            f"{words[0]} failed (status {done.returncode}); the backup's folder is complete. Run it by hand to see why:"
            f" {words[0]} ... in {folder}"
        )
