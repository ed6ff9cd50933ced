"""The records beside a study's objects: what each holds, written and read here alone (docs/formats.md).

    study.json                 what the study is
    manifests/<import>.jsonl   one line a file of that import: tree path, digest, size, headers
    corrections/<n>.jsonl      one line a series that stands elsewhere since that correction

May live here: the JSON of records. Not: where a store keeps them.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from catalog.pure.corrections import Moved, Place, place_now
from catalog.store.model import RecordStore

FORMAT = 1

_STUDY = "study.json"
_MANIFESTS = "manifests"
_CORRECTIONS = "corrections"


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


def manifests(store: RecordStore, study: str) -> Iterator[dict[str, Any]]:
    """Yield every entry of every import of the study, in the order of import, where it stands after all corrections."""
    moved = _corrections(store, study)
    for name in sorted(store.list_records(study, _MANIFESTS), key=lambda name: (len(name), name)):
        batch = int(name.removesuffix(".jsonl").rpartition("/")[2].rpartition("-")[2])
        for line in store.read_record(study, name):
            entry = json.loads(line)
            place = place_now(batch, Place(entry["exam"], entry["series"]), moved)
            yield entry | place._asdict()


def _corrections(store: RecordStore, study: str) -> list[Moved]:
    """Return all corrections in the order in which they were made."""
    found = []
    for name in store.list_records(study, _CORRECTIONS):
        for line in store.read_record(study, name):
            one = json.loads(line)
            found.append(Moved(tuple(one["batches"]), Place(**one["was"]), Place(**one["now"])))
    return found


def _lines(entries: Iterable[Mapping[str, Any]]) -> Iterator[bytes]:
    # ASCII: one line stays one line for every reader, and a header may hold what UTF-8 cannot.
    return (json.dumps(entry, separators=(",", ":")).encode() + b"\n" for entry in entries)
