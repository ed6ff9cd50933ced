"""The records beside a study's objects: what each holds, written and read here alone (docs/formats.md).

    study.json                 what the study is
    manifests/<import>.jsonl   one line a file of that import: tree path, digest, size, headers
    corrections/<n>.jsonl      one line a series that stands elsewhere since that correction
    removals/<n>.jsonl         one line a series that went into the bin or came back; one a file that was purged

May live here: the JSON of records. Not: where a store keeps them.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from catalog.pure.corrections import Moved, Place
from catalog.pure.standing import Binned, Restored, Standing, Step, standing_after
from catalog.store.model import RecordStore

_EntryKey: TypeAlias = tuple[int | str, ...]
FORMAT = 1

_STUDY = "study.json"
_MANIFESTS = "manifests"
_CORRECTIONS = "corrections"
_REMOVALS = "removals"
# What tells an entry of a manifest from all others of that import.
_KEY = ("series_identity", "identity", "sha256")


def write_study(store: RecordStore, study: str, about: Mapping[str, Any]) -> None:
    """Write what a study is, or bring it up to date."""
    text = json.dumps({"format": FORMAT, "study": study, **about}, indent=1)
    store.write_record(study, _STUDY, [text.encode(), b"\n"])


def write_manifest(store: RecordStore, study: str, name: str, entries: Iterable[Mapping[str, Any]]) -> None:
    """Write the manifest of one import, replacing what an earlier attempt wrote."""
    store.write_record(study, f"{_MANIFESTS}/{name}.jsonl", _lines(entries))


def remove_manifest(store: RecordStore, study: str, name: str) -> None:
    """Remove the manifest of an import that was given up; one that was never written is fine."""
    store.delete_record(study, f"{_MANIFESTS}/{name}.jsonl")


def write_correction(store: RecordStore, study: str, name: str, moved: Iterable[Moved]) -> None:
    """Write where series stand since a correction, replacing what an earlier attempt wrote."""
    lines = ({"batches": one.batches, "was": one.was._asdict(), "now": one.now._asdict()} for one in moved)
    store.write_record(study, f"{_CORRECTIONS}/{name}.jsonl", _lines(lines))


def remove_correction(store: RecordStore, study: str, name: str) -> None:
    """Remove a correction that was given up; one that was never written is fine."""
    store.delete_record(study, f"{_CORRECTIONS}/{name}.jsonl")


def write_removal(store: RecordStore, study: str, name: str, steps: Iterable[Binned | Restored]) -> None:
    """Write what went into the bin or came back, replacing what an earlier attempt wrote."""
    store.write_record(study, f"{_REMOVALS}/{name}.jsonl", _lines(map(_written, steps)))


def remove_removal(store: RecordStore, study: str, name: str) -> None:
    """Remove what was written of a change that was given up; one that was never written is fine."""
    store.delete_record(study, f"{_REMOVALS}/{name}.jsonl")


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
    gone = {_key_of(batch, entry) for batch, entry, standing in _entries(store, study, steps) if standing.bin == bin_entry}
    mine = f"{_REMOVALS}/{name}.jsonl"
    if mine in store.list_records(study, _REMOVALS):
        gone |= {_key_read(json.loads(line)["purged"]) for line in store.read_record(study, mine)}
    lines = ({"purged": {"batch": key[0], **dict(zip(_KEY, key[1:], strict=True))}} for key in sorted(gone))
    store.write_record(study, mine, _lines(lines))
    for manifest in _manifest_names(store, study):
        batch = _batch_of(manifest)
        if any(key[0] == batch for key in gone):
            _redact_manifest(store, study, manifest, batch, gone | purged)


def _redact_manifest(store: RecordStore, study: str, name: str, batch: int, gone: set[_EntryKey]) -> None:
    lines = list(store.read_record(study, name))
    kept = [line for line in lines if _key_of(batch, json.loads(line)) not in gone]
    if len(kept) < len(lines):
        store.write_record(study, name, kept)


def manifests(store: RecordStore, study: str) -> Iterator[dict[str, Any]]:
    """Yield every entry of every import of the study, in the order of import, where it stands after all that was done since.

    What lies in the bin or was purged is passed over.
    """
    steps, purged = _steps(store, study)
    for batch, entry, standing in _entries(store, study, steps):
        if not standing.bin and _key_of(batch, entry) not in purged:
            yield entry | standing.place._asdict() | {"name": standing.name}


def _entries(store: RecordStore, study: str, steps: Sequence[Step]) -> Iterator[tuple[int, dict[str, Any], Standing]]:
    """Yield each entry with the number of its import and where it stands now."""
    for name in _manifest_names(store, study):
        batch = _batch_of(name)
        for line in store.read_record(study, name):
            entry = json.loads(line)
            began = Standing(Place(entry["exam"], entry["series"]), entry["name"])
            yield batch, entry, standing_after(batch, began, steps)


def _manifest_names(store: RecordStore, study: str) -> list[str]:
    return sorted(store.list_records(study, _MANIFESTS), key=lambda name: (len(name), name))


def _batch_of(manifest: str) -> int:
    return int(manifest.removesuffix(".jsonl").rpartition("/")[2].rpartition("-")[2])


def _key_of(batch: int, entry: Mapping[str, Any]) -> _EntryKey:
    return (batch, *(str(entry[part]) for part in _KEY))


def _key_read(written: Mapping[str, Any]) -> _EntryKey:
    return _key_of(int(written["batch"]), written)


def _steps(store: RecordStore, study: str) -> tuple[list[Step], set[_EntryKey]]:
    """Return what was done to the study's files, in the order in which it was done, and what was purged."""
    names = [*store.list_records(study, _CORRECTIONS), *store.list_records(study, _REMOVALS)]
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


def _written(step: Binned | Restored) -> dict[str, Any]:
    """Return a step of the bin as its record says it."""
    line: dict[str, Any] = {"bin": step.bin, "was": step.was._asdict()}
    if isinstance(step, Restored):
        return line | {"now": step.now._asdict()} | ({"renamed": dict(step.renamed)} if step.renamed else {})
    line["batches"] = sorted(step.batches)
    return line if step.names is None else line | {"names": sorted(step.names)}


def _read(line: Mapping[str, Any]) -> Step:
    was = Place(**line["was"])
    if "bin" not in line:
        return Moved(tuple(line["batches"]), was, Place(**line["now"]))
    if "now" in line:
        return Restored(line["bin"], was, Place(**line["now"]), tuple(line.get("renamed", {}).items()))
    names = line.get("names")
    return Binned(line["bin"], frozenset(line["batches"]), was, frozenset(names) if names is not None else None)


def _lines(entries: Iterable[Mapping[str, Any]]) -> Iterator[bytes]:
    # ASCII: one line stays one line for every reader, and a header may hold what UTF-8 cannot.
    return (json.dumps(entry, separators=(",", ":")).encode() + b"\n" for entry in entries)
