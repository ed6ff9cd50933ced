"""Repairing: good copies put in the place of objects that are damaged or missing, from another copy of the store.

May live here: where a good copy is looked for, and what follows when one is found. Not: what is wrong (`verify`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from catalog.audit import Actor, record
from catalog.changes import ChangeKind, announce
from catalog.database import Database
from catalog.database.tables import object_findings, studies
from catalog.lifecycle import listed
from catalog.lifecycle.copying import add_copy, is_good
from catalog.lifecycle.verify import Fault, Finding, findings
from catalog.pure.errors import Damaged, Unavailable
from catalog.store import Deposit, Store, StoredObject


@dataclass(frozen=True, slots=True)
class Repaired:
    """What became of a finding: `is_good`: whether the object can be read again."""

    finding: Finding
    is_good: bool


def repair(database: Database, store: Store, actor: Actor, copies: Sequence[Store], study: str = "") -> Iterator[Repaired]:
    """Repair what `verify` found damaged or missing, one object after the other.

    An object that is good in the store itself counts as repaired, too: the same original may have come again.

    Args:
        database: the catalogue.
        store: the store.
        actor: who does it.
        copies: where to look for good copies, in this order: backups, other stores.
        study: code of the one study to repair; '' for all.

    Raises:
        OutOfSpace, Unavailable: the store refused; what was repaired stays so.
    """
    for finding in findings(database, study):
        if finding.fault not in (Fault.DAMAGED, Fault.MISSING):
            continue
        size = _size(database, finding)
        stored = StoredObject(finding.digest, size) if size is not None else None
        repaired = stored is not None and (is_good(store, finding.study, stored) or _bring_back(store, copies, finding, stored))
        if repaired:
            _forget(database, actor, finding)
        yield Repaired(finding, repaired)


def _bring_back(store: Store, copies: Sequence[Store], finding: Finding, stored: StoredObject) -> bool:
    for copy in copies:
        deposit = store.deposit(finding.study, f"repair-{finding.digest.hex()[:16]}")
        try:
            if _copy(copy, finding.study, stored, deposit):
                return True
        finally:
            deposit.close()
    return False


def _copy(copy: Store, study: str, stored: StoredObject, deposit: Deposit) -> bool:
    """Put an object of another store in place if its bytes are right."""
    try:
        add_copy(copy, study, stored, deposit)
    except (Damaged, Unavailable):  # a copy that is away is as good as none
        return False
    deposit.settle()
    return True


def _size(database: Database, finding: Finding) -> int | None:
    """Return the size of an object as the catalogue knows it; None if no file has it any more."""
    study = sa.select(studies.c.id).where(studies.c.code == finding.study).scalar_subquery()
    row = database.row(listed.objects(study, [finding.digest]))
    return row.size if row is not None else None


def _forget(database: Database, actor: Actor, finding: Finding) -> None:
    row = sa.select(studies.c.id).where(studies.c.code == finding.study).scalar_subquery()
    with database.write() as connection:
        connection.execute(
            object_findings.delete().where(object_findings.c.study_id == row, object_findings.c.digest == finding.digest)
        )
        study = connection.execute(sa.select(studies.c.id).where(studies.c.code == finding.study)).scalar_one()
        record(
            connection, actor=actor.name, acting_as=actor.acting_as, action="object.repair", study=finding.study,
            subject=finding.path[:128], detail={"fault": finding.fault},
        )  # fmt: skip
        announce(connection, ChangeKind.PUBLISHED, study)
