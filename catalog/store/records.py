"""The records beside a study's objects: what each holds, written and read here alone (docs/formats.md).

    study.json                 what the study is
    access.json                who may see it, for who has to make the catalogue anew
    manifests/<import>.jsonl   one line a file of that import: tree path, digest, size, headers
    imports/<import>.json      who decided on that import, when, and the profile it was cleaned with
    corrections/<n>.jsonl      one line a series that stands elsewhere since that correction
    removals/<n>.jsonl         one line a series that went into the bin or came back; one a file that was purged

May live here: the JSON of records. Not: where a store keeps them.
"""

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any, TypeAlias

from catalog.pure.corrections import Moved, Place
from catalog.pure.errors import Damaged
from catalog.pure.standing import Binned, Restored, Standing, Step, standing_after
from catalog.store.model import RecordStore

_EntryKey: TypeAlias = tuple[str, ...]
FORMAT = 1

_STUDY = "study.json"
_ACCESS = "access.json"
_MANIFESTS = "manifests"
_IMPORTS = "imports"
_CORRECTIONS = "corrections"
_REMOVALS = "removals"
# What tells an entry of a manifest from all others of that import.
_KEY = ("series_identity", "identity", "sha256")
_ID_DIGITS = 32


def names(store: RecordStore, study: str, since: int = 0) -> list[str]:
    """Return the names of the records of a study; of those that many have, only the ones written at `since` or later."""
    folders = (_MANIFESTS, _IMPORTS, _CORRECTIONS, _REMOVALS)
    alone = [name for name in (_STUDY, _ACCESS) if _is_there(store, study, name)]
    return [*alone, *(name for folder in folders for name in _list(store, study, folder, since))]


def _list(store: RecordStore, study: str, folder: str, since: int = 0) -> Iterator[str]:
    """Yield the names of all records of a folder, in order."""
    after = ""
    while page := store.list_records(study, folder, after, since=since):
        yield from page
        after = page[-1]


def _is_there(store: RecordStore, study: str, name: str) -> bool:
    try:
        for _ in store.read_record(study, name):
            break
    except Damaged:
        return False
    return True


def write_study(store: RecordStore, study: str, about: Mapping[str, Any]) -> None:
    """Write what a study is, or bring it up to date."""
    text = json.dumps({"format": FORMAT, "study": study, **about}, indent=1)
    store.write_record(study, _STUDY, [text.encode(), b"\n"])


@dataclass(frozen=True, slots=True)
class ImportRecord:
    """What one import was; times in seconds since 1970 UTC, logins as they were.

    `id` is never given twice, `number` is the batch's, `profile` the TOML text (None: the engine's default), `profile_hash`
    that of the compiled profile.
    """

    id: str
    number: int
    opened: int
    added: int
    decided: int | None
    decided_by: str
    profile: str | None
    profile_hash: str
    engine: str


@dataclass(frozen=True, slots=True)
class StudyRecord:
    """What a study is, as its `study.json` says."""

    code: str
    description: str
    end_date: str | None
    profile: str | None
    created: int
    closed: int | None = None
    retention_years: int | None = None


@dataclass(frozen=True, slots=True)
class AccessRecord:
    """One user who may see a study: `granted` and `created` in seconds since 1970 UTC."""

    login: str
    role: str
    created: int
    granted: int


def read_study(store: RecordStore, study: str) -> StudyRecord:
    """Return what a study is.

    Raises:
        Damaged: its record is missing or cannot be read.
    """
    about = _json(store, study, _STUDY)
    if about.get("format") != FORMAT:
        raise Damaged(f"the record of study {study} in the store has a format that this program does not know")
    return StudyRecord(
        about["study"],
        about.get("description", ""),
        about.get("end_date"),
        about.get("profile"),
        about.get("created", 0),
        about.get("closed"),
        about.get("retention_years"),
    )


def write_access(store: RecordStore, study: str, users: Iterable[AccessRecord]) -> None:
    """Write who may see a study, if that is not what is written there already."""
    text = json.dumps({"format": FORMAT, "users": [asdict(user) for user in users]}, indent=1).encode() + b"\n"
    with suppress(Damaged):
        if b"".join(store.read_record(study, _ACCESS)) == text:
            return
    store.write_record(study, _ACCESS, [text])


def read_access(store: RecordStore, study: str) -> list[AccessRecord]:
    """Return who may see a study; nobody if that was never written."""
    try:
        return [AccessRecord(**user) for user in _json(store, study, _ACCESS)["users"]]
    except Damaged:
        return []


def write_import(store: RecordStore, study: str, name: str, about: ImportRecord) -> None:
    """Write what an import was, replacing what an earlier attempt wrote."""
    text = json.dumps({"format": FORMAT, **asdict(about)}, indent=1)
    store.write_record(study, f"{_IMPORTS}/{name}.json", [text.encode(), b"\n"])


def _import(store: RecordStore, study: str, name: str) -> ImportRecord:
    """Return what an import was; of one before there were such records, what its manifest's name says."""
    opened, called = name.partition("-")[0], _import_id(name)
    try:
        about = _json(store, study, f"{_IMPORTS}/{name}.json")
    except Damaged:
        number = int(name.rpartition("-")[2]) if _is_numbered(name) else 0
        return ImportRecord(called, number, int(opened), int(opened), None, "", None, "", "")
    return ImportRecord(**{"id": called} | {key: value for key, value in about.items() if key != "format"})


def import_name(opened: int, called: str) -> str:
    """Return the name of an import's records: by time first, so that they sort in about the order of imports.

    Args:
        opened: time its batch was opened, in seconds since 1970 UTC.
        called: the import's id; of one from before there were ids, that is the name.
    """
    return called if _is_numbered(called) else f"{opened:010d}-{called}"


def _import_id(name: str) -> str:
    return name if _is_numbered(name) else name.partition("-")[2]


def _is_numbered(name: str) -> bool:
    """Whether these are records of an import from before there were ids: named by the time and the batch's number."""
    opened, _, number = name.partition("-")
    return len(number) < _ID_DIGITS and (opened + number).isdecimal()


def _called(name: str) -> frozenset[str]:
    """Return all that steps may call an import, by the name of its records."""
    return frozenset({name, str(int(name.rpartition("-")[2]))} if _is_numbered(name) else {_import_id(name)})


def write_manifest(store: RecordStore, study: str, name: str, entries: Iterable[Mapping[str, Any]]) -> None:
    """Write the manifest of one import, replacing what an earlier attempt wrote."""
    store.write_record(study, f"{_MANIFESTS}/{name}.jsonl", _lines(entries))


def remove_manifest(store: RecordStore, study: str, name: str) -> None:
    """Remove the manifest of an import that was given up; one that was never written is fine."""
    store.delete_record(study, f"{_MANIFESTS}/{name}.jsonl")
    store.delete_record(study, f"{_IMPORTS}/{name}.json")


def write_correction(store: RecordStore, study: str, name: str, moved: Iterable[Moved]) -> None:
    """Write where series stand since a correction, replacing what an earlier attempt wrote."""
    store.write_record(study, f"{_CORRECTIONS}/{name}.jsonl", _lines(map(_written, moved)))


def remove_correction(store: RecordStore, study: str, name: str) -> None:
    """Remove a correction that was given up; one that was never written is fine."""
    store.delete_record(study, f"{_CORRECTIONS}/{name}.jsonl")


def write_removal(store: RecordStore, study: str, name: str, steps: Iterable[Step]) -> None:
    """Write what went into the bin or came back, replacing what an earlier attempt wrote."""
    store.write_record(study, f"{_REMOVALS}/{name}.jsonl", _lines(map(_written, steps)))


def remove_removal(store: RecordStore, study: str, name: str) -> None:
    """Remove what was written of a change that was given up; one that was never written is fine."""
    store.delete_record(study, f"{_REMOVALS}/{name}.jsonl")


def remove_removals(store: RecordStore, study: str, beginning: str, end: str) -> None:
    """Remove what was written of changes whose names begin and end so."""
    for name in _list(store, study, _REMOVALS):
        if name.startswith(f"{_REMOVALS}/{beginning}") and name.endswith(f"{end}.jsonl"):
            store.delete_record(study, name)


def redact(store: RecordStore, study: str, bin_entry: str, name: str) -> None:
    """Take what lies in an entry of the bin out of the manifests, for good; harmless when it was done before.

    Which entries these are is written down first, by digests alone, so that whoever reads a copy of a manifest that is older
    passes over them.

    Args:
        store: the store.
        study: the study's code.
        bin_entry: the entry, as the steps name it.
        name: under which the purge is written down.
    """
    steps, purged = _steps(store, study)
    gone = {
        _key_of(_import_id(_stem(manifest)), entry)
        for manifest in _manifest_names(store, study)
        for entry, standing in _entries(store, study, manifest, steps)
        if standing.bin == bin_entry
    }
    mine = f"{_REMOVALS}/{name}.jsonl"
    if _is_there(store, study, mine):
        gone |= {_key_read(json.loads(line)["purged"]) for line in store.read_record(study, mine)}
    lines = ({"purged": {"import": key[0], **dict(zip(_KEY, key[1:], strict=True))}} for key in sorted(gone))
    store.write_record(study, mine, _lines(lines))
    for manifest in _manifest_names(store, study):
        called = _called(_stem(manifest))
        if any(key[0] in called for key in gone):
            _redact_manifest(store, study, manifest, called, gone | purged)


def _redact_manifest(store: RecordStore, study: str, name: str, called: frozenset[str], gone: set[_EntryKey]) -> None:
    lines = list(store.read_record(study, name))
    kept = [line for line in lines if not _is_among(called, json.loads(line), gone)]
    if len(kept) < len(lines):
        store.write_record(study, name, kept)


def manifests(store: RecordStore, study: str) -> Iterator[dict[str, Any]]:
    """Yield every entry of every import of the study, in the order of import, where it stands after all that was done since.

    What lies in the bin or was purged is passed over.
    """
    for _, entries in imports(store, study):
        yield from entries


def imports(store: RecordStore, study: str) -> Iterator[tuple[ImportRecord, Iterator[dict[str, Any]]]]:
    """Yield every import of the study in the order in which they were added, each with its entries as `manifests` does."""
    steps, purged = _steps(store, study)
    found = ((_import(store, study, _stem(manifest)), manifest) for manifest in _manifest_names(store, study))
    for about, manifest in sorted(found, key=lambda one: (one[0].added, one[0].number, one[0].id)):
        yield about, _standing_entries(store, study, manifest, steps, purged)


def purged(store: RecordStore, study: str) -> set[bytes]:
    """Return the digests of files of the study that were purged; another file may have the same bytes."""
    return {bytes.fromhex(str(key[-1])) for key in _steps(store, study)[1]}


def has_access(store: RecordStore, study: str) -> bool:
    """Whether it was ever written who may see the study."""
    return _is_there(store, study, _ACCESS)


def corrections_seen(store: RecordStore, study: str) -> int:
    """Return the highest number of a correction that the study's records name; 0 if there is none."""
    names = [name.rpartition("/")[2] for name in _list(store, study, _CORRECTIONS)]
    return max((int(name.partition("-")[0]) for name in names if name[:1].isdigit()), default=0)


def _standing_entries(
    store: RecordStore, study: str, manifest: str, steps: Sequence[Step], purged: set[_EntryKey]
) -> Iterator[dict[str, Any]]:
    called = _called(_stem(manifest))
    for entry, standing in _entries(store, study, manifest, steps):
        if not standing.bin and not _is_among(called, entry, purged):
            described = {} if standing.description is None else {"description": standing.description}
            yield entry | standing.place._asdict() | {"name": standing.name} | described


def _entries(store: RecordStore, study: str, manifest: str, steps: Sequence[Step]) -> Iterator[tuple[dict[str, Any], Standing]]:
    """Yield each entry of a manifest with where it stands now."""
    called = _called(_stem(manifest))
    for line in store.read_record(study, manifest):
        entry = json.loads(line)
        began = Standing(Place(entry["exam"], entry["series"]), entry["name"])
        yield entry, standing_after(called, began, steps)


def _manifest_names(store: RecordStore, study: str) -> list[str]:
    return sorted(_list(store, study, _MANIFESTS), key=lambda name: (len(name), name))


def _stem(manifest: str) -> str:
    return manifest.removesuffix(".jsonl").rpartition("/")[2]


def _key_of(called: str, entry: Mapping[str, Any]) -> _EntryKey:
    return (called, *(str(entry[part]) for part in _KEY))


def _is_among(called: frozenset[str], entry: Mapping[str, Any], keys: Collection[_EntryKey]) -> bool:
    return any(_key_of(name, entry) in keys for name in called)


def _key_read(written: Mapping[str, Any]) -> _EntryKey:
    return _key_of(written["import"] if "import" in written else str(written["batch"]), written)


def _imports_read(line: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the imports that a step is about; before there were ids, steps named batches by their numbers."""
    return tuple(line["imports"]) if "imports" in line else tuple(map(str, line["batches"]))


def _steps(store: RecordStore, study: str) -> tuple[list[Step], set[_EntryKey]]:
    """Return what was done to the study's files, in the order in which it was done, and what was purged."""
    names = [*_list(store, study, _CORRECTIONS), *_list(store, study, _REMOVALS)]
    steps: list[Step] = []
    purged: set[_EntryKey] = set()
    for name in sorted(names, key=lambda name: name.partition("/")[2]):
        for line in store.read_record(study, name):
            written = json.loads(line)
            if "purged" in written:
                purged.add(_key_read(written["purged"]))
            else:
                steps.append(_read(written))
    return steps, purged


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


def _json(store: RecordStore, study: str, name: str) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(b"".join(store.read_record(study, name)))
    except ValueError:
        raise Damaged(f"a record of study {study} in the store cannot be read; bring it back from a backup") from None
    return found


def _lines(entries: Iterable[Mapping[str, Any]]) -> Iterator[bytes]:
    # ASCII: one line stays one line for every reader, and a header may hold what UTF-8 cannot.
    return (json.dumps(entry, separators=(",", ":")).encode() + b"\n" for entry in entries)
