"""What the checks read and say of each batch, beside the staged bytes: it may hold identities (docs/laws.md, law 6).

    <staging>/batches/<batch>.json           what the checks read of a batch, for its reviewers: patients, series
    <staging>/batches/<batch>.txt            what the checks say of a batch, for who brought it

May live here: these two files. Not: what is in them.
"""

import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from catalog import durable


class BatchNotes:
    """The notes of all batches.

    Args:
        folder: `<staging>/batches`.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def write_report(self, batch: int, text: str) -> None:
        """Keep what the checks say of a batch, for whoever brought it."""
        with durable.translated("the staging folder cannot be written"):
            durable.write_file(self._report(batch), [text.encode("utf-8", "backslashreplace")], mode=0o600)

    def read_report(self, batch: int) -> str:
        """Return what the checks say of a batch; '' before they have."""
        try:
            return self._report(batch).read_text(encoding="utf-8")
        except FileNotFoundError:
            return ""

    def report_time(self, batch: int) -> int:
        """Return when the checks wrote what they say of a batch, in nanoseconds; 0 before they have."""
        try:
            return self._report(batch).stat().st_mtime_ns
        except FileNotFoundError:
            return 0

    def write_about(self, batch: int, about: Mapping[str, Any]) -> None:
        """Keep what the checks read of a batch, identities included."""
        with durable.translated("the staging folder cannot be written"):
            text = json.dumps(about, ensure_ascii=True, indent=1)
            durable.write_file(self._about(batch), [text.encode()], mode=0o600)

    def read_about(self, batch: int) -> dict[str, Any]:
        """Return what the checks read of a batch; empty before they have."""
        try:
            found: dict[str, Any] = json.loads(self._about(batch).read_bytes())
        except FileNotFoundError:
            return {}
        return found

    def copy_about(self, batch: int, other: int, labels: Collection[str] = ()) -> None:
        """Let another batch, which takes over files of this one, know the same.

        Args:
            labels: those of the series of which it has files; none given: of all.
        """
        if about := self.read_about(batch):
            for key in {"series", "preview"} & about.keys() if labels else ():
                about[key] = [one for one in about[key] if one.get("label") in labels]
            self.write_about(other, about)

    def erase_report(self, batch: int) -> None:
        """Forget what the checks say of a batch, durably."""
        with durable.translated("the staging folder cannot be written"):
            self._report(batch).unlink(missing_ok=True)
            durable.sync_folder(self._folder)

    def highest_batch(self) -> int:
        """Return the highest number of a batch that something is written of; 0 if there is none."""
        names = (path.name.partition(".")[0] for path in (self._folder).glob("[0-9]*"))
        return max((int(name) for name in names if name.isdigit()), default=0)

    def erase_about(self, batch: int) -> None:
        """Forget what the checks read and said of a batch, durably."""
        with durable.translated("the staging folder cannot be written"):
            self._about(batch).unlink(missing_ok=True)
            self._report(batch).unlink(missing_ok=True)
            durable.sync_folder(self._folder)

    def _about(self, batch: int) -> Path:
        return self._folder / f"{batch}.json"

    def _report(self, batch: int) -> Path:
        return self._folder / f"{batch}.txt"
