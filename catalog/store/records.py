"""The records beside a study's objects: what each holds, written and read here alone (docs/formats.md).

    study.json                 what the study is
    access.json                who may see it, for who has to make the catalogue anew
    manifests/<import>.jsonl   one line a file of that import: tree path, digest, size, headers
    imports/<import>.json      who decided on that import, when, and the profile it was cleaned with

May live here: the JSON of records, and where the files of manifests stand now. Not: where a store keeps them, nor what was done
since (`steps`).
"""

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any

from catalog.pure.corrections import Place
from catalog.pure.errors import Damaged
from catalog.pure.standing import Standing, Step, standing_after
from catalog.store import steps
from catalog.store.model import RecordStore
from catalog.store.steps import CORRECTIONS, KEY, REMOVALS, EntryKey, lines, list_all

FORMAT = 1

_STUDY = "study.json"
_ACCESS = "access.json"
_MANIFESTS = "manifests"
_IMPORTS = "imports"
_ID_DIGITS = 32


def names(store: RecordStore, study: str, since: int = 0) -> list[str]:
    """Return the names of the records of a study; of those that many have, only the ones written at `since` or later."""
    folders = (_MANIFESTS, _IMPORTS, CORRECTIONS, REMOVALS)
    alone = [name for name in (_STUDY, _ACCESS) if _is_there(store, study, name)]
    return [*alone, *(name for folder in folders for name in list_all(store, study, folder, since))]


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
    """One user who may see a study: `granted`, `created` and `until` (None: no end) in seconds since 1970 UTC.

    `whole`: all of it; else what is of `centres`, by their codes.
    """

    login: str
    role: str
    created: int
    granted: int
    whole: bool = True
    until: int | None = None
    centres: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CentreRecord:
    """A centre of a study, and the codes of its exams; `created` in seconds since 1970 UTC."""

    code: str
    description: str
    created: int
    exams: tuple[str, ...] = ()


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


def write_access(store: RecordStore, study: str, users: Iterable[AccessRecord], centres: Iterable[CentreRecord] = ()) -> None:
    """Write who may see a study, if that is not what is written there already."""
    about = {"users": [asdict(user) for user in users], "centres": [asdict(centre) for centre in centres]}
    text = json.dumps({"format": FORMAT, **about}, indent=1).encode() + b"\n"
    with suppress(Damaged):
        if b"".join(store.read_record(study, _ACCESS)) == text:
            return
    store.write_record(study, _ACCESS, [text])


def read_access(store: RecordStore, study: str) -> list[AccessRecord]:
    """Return who may see a study; nobody if that was never written."""
    try:
        users = _json(store, study, _ACCESS)["users"]
    except Damaged:
        return []
    return [AccessRecord(**user | {"centres": tuple(user.get("centres", ()))}) for user in users]


def read_centres(store: RecordStore, study: str) -> list[CentreRecord]:
    """Return the centres of a study; none if that was never written."""
    try:
        centres = _json(store, study, _ACCESS).get("centres", [])
    except Damaged:
        return []
    return [CentreRecord(**centre | {"exams": tuple(centre["exams"])}) for centre in centres]


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
    store.write_record(study, f"{_MANIFESTS}/{name}.jsonl", lines(entries))


def remove_manifest(store: RecordStore, study: str, name: str) -> None:
    """Remove the manifest of an import that was given up; one that was never written is fine."""
    store.delete_record(study, f"{_MANIFESTS}/{name}.jsonl")
    store.delete_record(study, f"{_IMPORTS}/{name}.json")


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
    done, purged = _done(store, study)
    gone = {
        _key_of(_import_id(_stem(manifest)), entry)
        for manifest in _manifest_names(store, study)
        for entry, standing in _entries(store, study, manifest, done)
        if standing.bin == bin_entry
    }
    gone |= {key for changes in steps.read_all(store, study) if changes.name == name for key in changes.purged}
    steps.write_purged(store, study, name, gone)
    for manifest in _manifest_names(store, study):
        called = _called(_stem(manifest))
        if any(key[0] in called for key in gone):
            _redact_manifest(store, study, manifest, called, gone | purged)


def _redact_manifest(store: RecordStore, study: str, name: str, called: frozenset[str], gone: set[EntryKey]) -> None:
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
    done, purged = _done(store, study)
    found = ((_import(store, study, _stem(manifest)), manifest) for manifest in _manifest_names(store, study))
    for about, manifest in sorted(found, key=lambda one: (one[0].added, one[0].number, one[0].id)):
        yield about, _standing_entries(store, study, manifest, done, purged)


def binned(store: RecordStore, study: str) -> Iterator[tuple[str, ImportRecord, dict[str, Any]]]:
    """Yield what lies in the bin: the name of its entry, the import, and the entry of the manifest, where it stood last."""
    done, purged = _done(store, study)
    for manifest in _manifest_names(store, study):
        name = _stem(manifest)
        for entry, standing in _entries(store, study, manifest, done):
            if standing.bin and not _is_among(_called(name), entry, purged):
                yield standing.bin, _import(store, study, name), _placed(entry, standing)


def has_access(store: RecordStore, study: str) -> bool:
    """Whether it was ever written who may see the study."""
    return _is_there(store, study, _ACCESS)


def _standing_entries(
    store: RecordStore, study: str, manifest: str, done: Sequence[Step], purged: set[EntryKey]
) -> Iterator[dict[str, Any]]:
    called = _called(_stem(manifest))
    for entry, standing in _entries(store, study, manifest, done):
        if not standing.bin and not _is_among(called, entry, purged):
            yield _placed(entry, standing)


def _placed(entry: dict[str, Any], standing: Standing) -> dict[str, Any]:
    """Return an entry of a manifest with the place that its file has now."""
    described = {} if standing.description is None else {"description": standing.description}
    return entry | standing.place._asdict() | {"name": standing.name} | described


def _entries(store: RecordStore, study: str, manifest: str, done: Sequence[Step]) -> Iterator[tuple[dict[str, Any], Standing]]:
    """Yield each entry of a manifest with where it stands now."""
    called = _called(_stem(manifest))
    for line in store.read_record(study, manifest):
        entry = json.loads(line)
        began = Standing(Place(entry["exam"], entry["series"]), entry["name"])
        yield entry, standing_after(called, began, done)


def _manifest_names(store: RecordStore, study: str) -> list[str]:
    return sorted(list_all(store, study, _MANIFESTS), key=lambda name: (len(name), name))


def _stem(manifest: str) -> str:
    return manifest.removesuffix(".jsonl").rpartition("/")[2]


def _key_of(called: str, entry: Mapping[str, Any]) -> EntryKey:
    return (called, *(str(entry[part]) for part in KEY))


def _is_among(called: frozenset[str], entry: Mapping[str, Any], keys: Collection[EntryKey]) -> bool:
    return any(_key_of(name, entry) in keys for name in called)


def _done(store: RecordStore, study: str) -> tuple[list[Step], set[EntryKey]]:
    """Return what was done to the study's files, in the order in which it was done, and what was purged."""
    changes = steps.read_all(store, study)
    return [step for one in changes for step in one.steps], {key for one in changes for key in one.purged}


def _json(store: RecordStore, study: str, name: str) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(b"".join(store.read_record(study, name)))
    except ValueError:
        raise Damaged(f"a record of study {study} in the store cannot be read; bring it back from a backup") from None
    return found
