"""What was done to a study's files since their imports, as the study's folder says (docs/formats.md).

    corrections/<n>.jsonl      one line a series that stands elsewhere since that correction
    removals/<n>.jsonl         one line a series that went into the bin or came back; one a file that was purged

The first line also says who asked for it and why, so that the catalogue can be made anew. May live here: the JSON of these
records, and their names. Not: what else records hold (`records`), what a step does to a file (`catalog.pure.standing`).
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from catalog.pure.corrections import Moved, Place
from catalog.pure.standing import Binned, Restored, Step
from catalog.store.model import RecordStore

CORRECTIONS = "corrections"
REMOVALS = "removals"
EntryKey: TypeAlias = tuple[str, ...]
"""What tells an entry of a manifest from all others of the study: the import, and `KEY`."""
KEY = ("series_identity", "identity", "sha256")
_REMOVAL = re.compile(r"(\d+)-(\d+)\.r\d+-(\d+)-(\d)")


@dataclass(frozen=True, slots=True)
class Change:
    """What one record says.

    `name` is that of its file without ending, `follows` the number of the correction that it is, or of the newest one before
    it, and `asked` when it was asked for, in seconds since 1970 UTC. `entry` is the number of the bin's entry, 0 of a
    correction; `is_end`: whether that entry was restored or purged with it. `about` holds what the catalogue knows of it
    besides: {} in records of older releases.
    """

    name: str
    follows: int
    asked: int
    entry: int
    is_end: bool
    about: Mapping[str, Any]
    steps: tuple[Step, ...]
    purged: frozenset[EntryKey]


def write_correction(
    store: RecordStore, study: str, name: str, moved: Iterable[Moved], about: Mapping[str, Any] | None = None
) -> None:
    """Write where series stand since a correction, replacing what an earlier attempt wrote."""
    store.write_record(study, f"{CORRECTIONS}/{name}.jsonl", lines(_with(map(_written, moved), about)))


def remove_correction(store: RecordStore, study: str, name: str) -> None:
    """Remove a correction that was given up; one that was never written is fine."""
    store.delete_record(study, f"{CORRECTIONS}/{name}.jsonl")


def write_removal(
    store: RecordStore, study: str, name: str, steps: Iterable[Step], about: Mapping[str, Any] | None = None
) -> None:
    """Write what went into the bin or came back, replacing what an earlier attempt wrote."""
    store.write_record(study, f"{REMOVALS}/{name}.jsonl", lines(_with(map(_written, steps), about)))


def write_purged(store: RecordStore, study: str, name: str, purged: Iterable[EntryKey]) -> None:
    """Write what was purged, by digests alone; what an earlier attempt wrote is to be among it."""
    written = ({"purged": {"import": key[0], **dict(zip(KEY, key[1:], strict=True))}} for key in sorted(purged))
    store.write_record(study, f"{REMOVALS}/{name}.jsonl", lines(written))


def remove_removal(store: RecordStore, study: str, name: str) -> None:
    """Remove what was written of a change that was given up; one that was never written is fine."""
    store.delete_record(study, f"{REMOVALS}/{name}.jsonl")


def remove_removals(store: RecordStore, study: str, beginning: str, end: str) -> None:
    """Remove what was written of changes whose names begin and end so."""
    for name in list_all(store, study, REMOVALS):
        if name.startswith(f"{REMOVALS}/{beginning}") and name.endswith(f"{end}.jsonl"):
            store.delete_record(study, name)


def read_all(store: RecordStore, study: str) -> list[Change]:
    """Return all that was done to a study's files, in the order in which it was done."""
    names = [*list_all(store, study, CORRECTIONS), *list_all(store, study, REMOVALS)]
    return [_read_record(store, study, name) for name in sorted(names, key=lambda name: name.partition("/")[2])]


def list_all(store: RecordStore, study: str, folder: str, since: int = 0) -> Iterator[str]:
    """Yield the names of all records of a folder, in order."""
    after = ""
    while page := store.list_records(study, folder, after, since=since):
        yield from page
        after = page[-1]


def lines(entries: Iterable[Mapping[str, Any]]) -> Iterator[bytes]:
    """Yield each as a line of JSON."""
    # ASCII: one line stays one line for every reader, and a header may hold what UTF-8 cannot.
    return (json.dumps(entry, separators=(",", ":")).encode() + b"\n" for entry in entries)


def _read_record(store: RecordStore, study: str, record: str) -> Change:
    folder, _, name = record.removesuffix(".jsonl").partition("/")
    steps: list[Step] = []
    purged: set[EntryKey] = set()
    about: Mapping[str, Any] = {}
    for line in store.read_record(study, record):
        written = json.loads(line)
        about = about or written.pop("asked", {})
        if "purged" in written:
            purged.add(_key_read(written["purged"]))
        else:
            steps.append(_read(written))
    found = _REMOVAL.fullmatch(name)
    if folder == REMOVALS and found is not None:
        follows, asked, entry, step = map(int, found.groups())
        return Change(name, follows, asked, entry, step > 0, about, tuple(steps), frozenset(purged))
    number, _, asked_at = name.partition("-")
    follows, asked = (int(part) if part.isdecimal() else 0 for part in (number, asked_at))
    return Change(name, follows, asked, 0, folder == REMOVALS, about, tuple(steps), frozenset(purged))


def _with(steps: Iterable[dict[str, Any]], about: Mapping[str, Any] | None) -> Iterator[dict[str, Any]]:
    for step in steps:
        yield step | {"asked": dict(about)} if about else step
        about = None


def _key_read(written: Mapping[str, Any]) -> EntryKey:
    called = written["import"] if "import" in written else str(written["batch"])
    return (called, *(str(written[part]) for part in KEY))


def _imports_read(line: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the imports that a step is about; before there were ids, steps named batches by their numbers."""
    return tuple(line["imports"]) if "imports" in line else tuple(map(str, line["batches"]))


def _written(step: Step) -> dict[str, Any]:
    """Return a step as its record says it."""
    if isinstance(step, Moved):
        moved = {"imports": step.imports, "was": step.was._asdict(), "now": step.now._asdict()}
        return moved if step.description is None else moved | {"description": step.description}
    line: dict[str, Any] = {"bin": step.bin, "was": step.was._asdict()}
    if isinstance(step, Restored):
        return line | {"now": step.now._asdict()} | ({"renamed": dict(step.renamed)} if step.renamed else {})
    line["imports"] = sorted(step.imports)
    return line if step.names is None else line | {"names": sorted(step.names)}


def _read(line: Mapping[str, Any]) -> Step:
    was = Place(**line["was"])
    if "bin" not in line:
        return Moved(_imports_read(line), was, Place(**line["now"]), line.get("description"))
    if "now" in line:
        return Restored(line["bin"], was, Place(**line["now"]), tuple(line.get("renamed", {}).items()))
    names = line.get("names")
    return Binned(line["bin"], frozenset(_imports_read(line)), was, frozenset(names) if names is not None else None)
