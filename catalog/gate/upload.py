"""Bringing files of this machine to the gate: the same intake and the same checks as for what a scanner sends."""

import hashlib
import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import sqlalchemy as sa

from catalog import durable
from catalog.audit import Actor, record
from catalog.database import Database
from catalog.database.tables import batches
from catalog.gate.intake import Intake, Origin
from catalog.granted import study_of
from catalog.pure.access import Action, Principal
from catalog.pure.batches import State
from catalog.pure.errors import Invalid, Refused
from catalog.pure.names import check_code


def upload(
    database: Database,
    intake: Intake,
    actor: Actor,
    principal: Principal,
    files: Sequence[Path],
    *,
    study: str = "",
    exam: str = "",
    progress: Callable[[int], None] = lambda _count: None,
) -> int:
    """Bring files into the user's open batch for that study and exam and return the batch's number.

    Files of the same content are one. Each is durable before the next begins, so an upload that is cut short can be repeated.

    Args:
        study: code of the study they are meant for; '' leaves it to the decision.
        exam: code of the exam they are meant for; '' likewise.
        progress: called after each file with how many are in.

    Raises:
        Refused: the role does not allow it, or a file cannot be read.
        NotFound: no such study, or not granted.
        Invalid: the exam code is none; there is no file.
        OutOfSpace, Unavailable: the staging folder cannot take more.
    """
    if not principal.may(Action.IMPORT):
        raise Refused(f"{principal.login} may look, not bring files: that takes the role standard or above")
    if not files:
        raise Invalid("there is no file in what was named")
    if exam:
        check_code(exam, "exam")
    origin = Origin(uploader=principal.user_id, study=_study(database, principal, study), exam=exam)
    for count, file in enumerate(files, 1):
        _bring(intake, origin, file)
        progress(count)
    statement = (
        sa.select(batches.c.id)
        .where(batches.c.uploader_id == principal.user_id, batches.c.state == State.OPEN)
        .where(batches.c.study_id.is_not_distinct_from(origin.study), batches.c.exam_code == exam)
    )
    with database.write() as connection:
        number = connection.execute(statement).scalar()
        if number is None:
            raise Refused("the batch was sealed while files came in; see `archimed staging list`")
        record(
            connection, actor=actor.name, acting_as=actor.acting_as, action="batch.upload", study=study,
            subject=f"batch {number}", detail={"files": len(files)},
        )  # fmt: skip
    return int(number)


def _study(database: Database, principal: Principal, code: str) -> int | None:
    if not code:
        return None
    return int(study_of(database, code, principal.user_id).id)


def _bring(intake: Intake, origin: Origin, file: Path) -> None:
    try:
        source = file.open("rb")
    except OSError as error:
        raise Refused(f"a file cannot be read: {os.strerror(error.errno or 0)}; nothing of it was taken") from None
    with source:
        incoming = intake.begin_for(origin)
        try:
            with durable.translated("the staging folder cannot be written"):
                digest = hashlib.file_digest(source, "sha256").hexdigest()
                source.seek(0)
                with os.fdopen(incoming.fd, "wb", closefd=False) as target:
                    shutil.copyfileobj(source, target, 1 << 20)
        except BaseException:
            incoming.discard()
            raise
        incoming.commit(f"upload {digest}")
