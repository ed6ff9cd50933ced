"""`archimed mount-staging`: the gated way in as a folder, for one user or all, in the foreground or behind the terminal."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from catalog import marks
from catalog.administration import principal
from gateway.cli.mounts import Wanted, mount_options, owner_of, run

if TYPE_CHECKING:
    from archimedfs.handover import Manager


@click.command("mount-staging")
@mount_options
def mount_staging(**options: Any) -> None:
    """Mount the folder to bring files into: <study>/<exam code>/, and whatever folders you like below.

    What lies there waits for a decision at the gate once its batch is sealed: by `archimed staging seal`, in the web desk, or
    when nothing was written for a while. Sealed files can be read and not be changed; the checks leave _REPORT.txt beside them.

    The folder must be there and empty. Without --foreground the command ends as soon as the mount can be used.

    \b
    Examples:
      archimed mount-staging ~/staging
      archimed mount-staging /srv/staging/ada --user ada --allow-other --foreground
      archimed mount-staging /srv/staging --all-users
    """
    run(_serve, **options)


def _serve(wanted: Wanted, manager: "Manager", on_ready: Callable[[], None]) -> None:
    # Late: nothing that makes threads may be loaded before the fork.
    from archimedfs.mounting import mount_staging_for_all, mount_staging_for_one
    from archimedfs.user_roots import unix_accounts
    from gateway.wiring import open_database, open_inboxes

    marks.require(wanted.config.staging.path, "the staging folder")
    database = open_database(wanted.config)
    try:
        inboxes = open_inboxes(wanted.config, database)
        where = wanted.mountpoint
        accounts = unix_accounts(wanted.config.mounts.unix_user)
        if wanted.login is None:
            mount_staging_for_all(inboxes, database, where, accounts=accounts, on_ready=on_ready, manager=manager)
            return
        user = principal(database, wanted.login)
        owner = owner_of(user.login, accounts, allow_other=wanted.allow_other)
        mount_staging_for_one(
            inboxes, database, where, user=user, owner=owner, allow_other=wanted.allow_other, on_ready=on_ready, manager=manager
        )
    finally:
        database.close()
