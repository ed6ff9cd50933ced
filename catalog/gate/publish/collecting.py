"""What the rows of a batch's stored files say, when all are stored and get their places. Used by the publish job alone.

Each row holds the headers by which its file is filed and asked for. They are read a chunk at a time, and again where they are
needed again: the headers of all files at once would be most of the memory that publishing takes.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import sqlalchemy as sa

from catalog.database import Database, Row
from catalog.database.tables import staged_files
from catalog.filetypes import describing
from catalog.filetypes.describing import Filed, is_dicom
from catalog.gate.publish import results
from catalog.gate.publish.results import ResultFile
from catalog.gate.staged.area import Staging
from catalog.gate.staged.companions import Companions
from catalog.pure.errors import Unavailable
from catalog.pure.filing import Description, StoredFile
from catalog.pure.results import result_path

_CHUNK_FILES = 500
_LONELY = "the file that belongs to it is missing or held, and one means nothing without the other"

Headers = Mapping[str, Any]


@dataclass(slots=True)
class Collected:
    """What an import brings: `files` with what they are filed by, `brought` the files of results, `taken` why a stored file
    cannot be filed, by its row, and the series that the batch holds with what was done to them, as its row keeps them."""

    files: list[StoredFile] = field(default_factory=list)
    brought: list[ResultFile] = field(default_factory=list)
    taken: dict[int, str] = field(default_factory=dict)
    summary: str = "[]"


def collect(database: Database, staging: Staging, tree: Companions, batch: Row, known_words: Callable[[str], str]) -> Collected:
    """Return what a batch whose files are all stored brings.

    Args:
        tree: where its files stood.
        batch: its row.
        known_words: returns a text with only the words that identify nobody.

    Raises:
        Unavailable: the staging folder has lost names.
    """
    labels: Mapping[str, str] = json.loads(batch.labels)
    found = Collected()
    done = _Done()
    foreign: dict[int, tuple[Row, Filed, int]] = {}
    for row, result in _all(database, batch.id):
        done.count(row.series, result)
        if result.get("is_result"):
            found.brought.append(_result_file(staging, row, result, labels.get(row.series)))
            continue
        filed = Filed(result["headers"], result.get("ending", ""), bytes.fromhex(result["sha256"]))
        if is_dicom(filed.headers):
            description = describing.describe_all({row.id: filed}, {})[row.id]
            found.files.append(_stored_file(row, filed, result["size"], description, labels))
        else:
            foreign[row.id] = (row, filed, result["size"])
    filed_by = {number: filed for number, (_, filed, _) in foreign.items()}
    described = describing.describe_all(
        filed_by, tree.places({number: row.file for number, (row, *_) in foreign.items()}, known_words)
    )
    found.taken = dict.fromkeys(describing.lonely(filed_by, described), _LONELY)
    found.files += [
        _stored_file(row, filed, size, described[number], labels)
        for number, (row, filed, size) in foreign.items()
        if number not in found.taken
    ]
    found.summary = done.told(batch.summary)
    return found


def headers_of(connection: sa.Connection, numbers: Sequence[int]) -> Iterator[Headers]:
    """Yield the headers of stored files, in the order of `numbers`."""
    for at in range(0, len(numbers), _CHUNK_FILES):
        chunk = numbers[at : at + _CHUNK_FILES]
        columns = staged_files.c
        rows = connection.execute(sa.select(columns.id, columns.result).where(columns.id.in_(chunk))).all()
        found = {row.id: row.result for row in rows}
        for number in chunk:
            yield json.loads(found[number])["headers"]


def _all(database: Database, batch_id: int) -> Iterator[tuple[Row, dict[str, Any]]]:
    columns = staged_files.c
    statement = (
        sa.select(columns.id, columns.file, columns.result, columns.series)
        .where(columns.batch_id == batch_id, columns.state == "stored", columns.id > sa.bindparam("after"))
        .order_by(columns.id)
        .limit(_CHUNK_FILES)
    )
    after = 0
    while rows := database.rows(statement, {"after": after}):
        for row in rows:
            yield row, json.loads(row.result)
        after = rows[-1].id


class _Done:
    """What de-identification did to the files of each series, and by which rules."""

    def __init__(self) -> None:
        self._done: dict[str, Counter[str]] = {}
        self._rules: dict[str, Counter[str]] = {}

    def count(self, label: str, result: Mapping[str, Any]) -> None:
        self._done.setdefault(label, Counter()).update(result["done"])
        self._rules.setdefault(label, Counter()).update(result.get("rules", {}))

    def told(self, summary: str) -> str:
        """Return the batch's series, each with what was done to its files."""
        told = [
            one | {"done": dict(sorted(done.items())), "rules": dict(sorted(self._rules[one["label"]].items()))}
            if (done := self._done.get(one.get("label", "")))
            else one
            for one in json.loads(summary)
        ]
        return json.dumps(told)


def _result_file(staging: Staging, row: Row, result: Mapping[str, Any], label: str | None) -> ResultFile:
    made = result_path(staging.name_of(row.file))
    if made is None:
        raise Unavailable("the staging folder has lost the names of a batch's files")
    made = made if label is None else replace(made, label=label)
    lineage = results.lineage_of(staging.path(row.file)) if made.is_lineage else None
    return ResultFile(row.id, made, bytes.fromhex(result["sha256"]), result["size"], lineage)


def _stored_file(row: Row, filed: Filed, size: int, description: Description, labels: Mapping[str, str]) -> StoredFile:
    """Return a stored file; `labels` are the descriptions that a reviewer gave to series."""
    if row.series in labels:
        description = replace(description, series_description=labels[row.series])
    return StoredFile(row.id, filed.digest, size, description)
