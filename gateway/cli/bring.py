"""Bringing files for a user from the command line, with a bar: `archimed staging add` and `archimed result add`."""

from collections.abc import Mapping
from io import BytesIO

import click

from catalog.database import Database
from catalog.gate.drops import importing
from catalog.gate.drops.local_files import LocalFiles, counted_kinds
from catalog.pure.access import Action, Principal
from catalog.pure.drops import Place
from catalog.pure.errors import Refused
from gateway.cli.administering import actor
from gateway.cli.common import configuration
from gateway.cli.progress import bar
from gateway.wiring import open_inboxes


def bring_as(
    database: Database,
    user: Principal,
    login: str,
    folder: Place,
    local: LocalFiles,
    written: Mapping[str, bytes] | None = None,
) -> int:
    """Bring files into a folder of a user's staging tree, say what is left out, and return the batch they wait in.

    Args:
        database: the catalogue.
        user: whose they become.
        login: as whom the caller acts.
        folder: `study/exam/...`.
        local: which.
        written: what else is put there, by name.

    Raises:
        Refused: the role does not allow it.
        ArchimedError: as `catalog.gate.drops.importing`.
    """
    if not user.may(Action.IMPORT):
        raise Refused(f"{user.login} may look, not bring files: that takes the role standard or above")
    inboxes = open_inboxes(configuration(), database)
    try:
        inbox = inboxes.of(user)
        with bar("bringing files", len(local.files)) as advance:
            came = importing.bring(inbox, folder, local, advance)
        for name, content in (written or {}).items():
            importing.put(inbox, (*folder, name), BytesIO(content))
        batch = importing.note(database, inbox, actor(login), folder, came)
        if local.left_out:
            click.echo(f"left out, for only regular files are brought: {counted_kinds(local.left_out.values())}", err=True)
        return batch
    finally:
        inboxes.close()
