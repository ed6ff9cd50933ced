"""What the row of a stored file keeps of it until it gets its place: written and read here alone.

Each holds the headers by which its file is filed and asked for. They are read a chunk at a time, and again where they are
needed again: the headers of all files at once would be most of the memory that publishing takes.
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from catalog.database import Database
from catalog.database.tables import batches, staged_files, studies
from catalog.gate.batches import StagedFile
from catalog.pure.staged_files import FileEvent, FileState, after, before
from catalog.store import StoredObject

_CHUNK_FILES = 500

Headers = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Stored:
    """A file whose clean bytes are in the store: their SHA-256 and size, the headers by which it is filed, its name's ending.

    `done` counts the elements that each action was applied to, `rules` those that each rule changed. `is_result`: a file of a
    result, which is taken as it is.
    """

    digest: bytes
    size: int
    headers: Headers = field(default_factory=dict)
    ending: str = ""
    done: Mapping[str, int] = field(default_factory=dict)
    rules: Mapping[str, int] = field(default_factory=dict)
    is_result: bool = False


@dataclass(frozen=True, slots=True)
class Unfiled:
    """An object in the store that is about to become a file of a batch. `study`: the code."""

    study: str
    batch: int
    object: StoredObject


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a file: it is stored, or held for a reason."""

    file: StagedFile
    stored: Stored | None = None
    held: str = ""


def write_outcomes(connection: sa.Connection, rows: Sequence[Mapping[str, object]]) -> None:
    """Write what `outcome_rows` returned."""
    for event in (FileEvent.STORE, FileEvent.HOLD):
        mine = [row for row in rows if row["new_state"] == after(event)]
        if mine:
            # Not IN: its values cannot be bound where many rows are changed at once.
            possible = sa.or_(*(staged_files.c.state == state for state in sorted(before(event))))
            connection.execute(_OUTCOME.where(possible), mine)


def outcome_rows(outcomes: Iterable[Outcome]) -> list[dict[str, object]]:
    """Return what the rows of a chunk say from now on.

    By which rules its files were cleaned is summed by series and kept with the first file of each: kept with all, it would be
    most of what the rows hold.
    """
    sums: dict[str, Counter[str]] = {}
    kept: list[tuple[Outcome, dict[str, Any] | None]] = []
    for outcome in outcomes:
        result = _as_json(outcome.stored) if outcome.stored is not None else None
        if result is not None and (rules := result.pop("rules", None)):
            if outcome.file.series in sums:
                sums[outcome.file.series].update(rules)
            else:
                result["rules"] = sums[outcome.file.series] = Counter(rules)
        kept.append((outcome, result))
    return [
        {
            "row": outcome.file.id, "new_reason": outcome.held,
            "new_state": after(FileEvent.HOLD if result is None else FileEvent.STORE),
            "new_result": "" if result is None else json.dumps(result),
        }
        for outcome, result in kept
    ]  # fmt: skip


def hold(connection: sa.Connection, reasons: Mapping[int, str]) -> None:
    """Say of stored files, by their numbers, why they cannot be filed."""
    held = {"new_state": after(FileEvent.HOLD), "new_result": ""}
    write_outcomes(connection, [{"row": number, "new_reason": why, **held} for number, why in reasons.items()])


def all_stored(database: Database, batch_id: int) -> Iterator[tuple[StagedFile, Stored]]:
    """Yield the stored files of a batch, in the order of their numbers."""
    columns = staged_files.c
    statement = (
        sa.select(columns.id, columns.file, columns.size, columns.series, columns.result)
        .where(columns.batch_id == batch_id, columns.state == FileState.STORED, columns.id > sa.bindparam("after"))
        .order_by(columns.id)
        .limit(_CHUNK_FILES)
    )
    last = 0
    while rows := database.rows(statement, {"after": last}):
        for row in rows:
            yield StagedFile(row.id, row.file, row.size, row.series), _of_json(json.loads(row.result))
        last = rows[-1].id


def unfiled_objects(database: Database, study: int | None = None) -> Iterator[Unfiled]:
    """Yield the objects that a publish has put into the store and not yet made into files: it goes on from them.

    Args:
        study: only those of a study, its row; None: all.
    """
    statement = (
        sa.select(studies.c.code, batches.c.id, staged_files.c.result)
        .join(batches, batches.c.id == staged_files.c.batch_id)
        .join(studies, studies.c.id == batches.c.study_id)
        .where(staged_files.c.state == FileState.STORED, staged_files.c.result != "")
    )
    for row in database.rows(statement if study is None else statement.where(batches.c.study_id == study)):
        result = json.loads(row.result)
        yield Unfiled(row.code, row.id, StoredObject(bytes.fromhex(result["sha256"]), result["size"]))


def headers_of(database: Database, numbers: Sequence[int]) -> Iterator[Headers]:
    """Yield the headers of stored files, in the order of `numbers`."""
    columns = staged_files.c
    for at in range(0, len(numbers), _CHUNK_FILES):
        chunk = numbers[at : at + _CHUNK_FILES]
        rows = database.rows(sa.select(columns.id, columns.result).where(columns.id.in_(chunk)))
        found = {row.id: row.result for row in rows}
        for number in chunk:
            yield json.loads(found[number])["headers"]


def _as_json(stored: Stored) -> dict[str, Any]:
    kept: dict[str, Any] = {
        "sha256": stored.digest.hex(), "size": stored.size, "headers": dict(stored.headers), "done": dict(stored.done),
        "rules": dict(stored.rules), "ending": stored.ending, "is_result": stored.is_result,
    }  # fmt: skip
    return {key: value for key, value in kept.items() if value or key in {"size", "headers"}}


def _of_json(kept: Mapping[str, Any]) -> Stored:
    return Stored(
        bytes.fromhex(kept["sha256"]), kept["size"], kept["headers"], kept.get("ending", ""), kept.get("done", {}),
        kept.get("rules", {}), kept.get("is_result", False),
    )  # fmt: skip


_OUTCOME = (
    staged_files.update()
    .where(staged_files.c.id == sa.bindparam("row"))
    .values(state=sa.bindparam("new_state"), reason=sa.bindparam("new_reason"), result=sa.bindparam("new_result"))
)
