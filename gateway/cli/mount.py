"""`archimed mount`: the archive as a read-only folder, for one user or all, in the foreground or behind the terminal."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from catalog import marks
from catalog.administration import principal
from gateway.cli.common import unix_login
from gateway.cli.mounts import Wanted, mount_options, owner_of, run

if TYPE_CHECKING:
    from archimedfs.handover import Manager


@click.command()
@mount_options
def mount(**options: Any) -> None:
    """Mount the archive as a read-only folder, as one user sees it, or with a folder for each user.

    The folder must be there and empty. Without --foreground the command ends as soon as the mount can be used.

    \b
    Examples:
      archimed mount ~/archive
      archimed mount /srv/archive/ada --user ada --allow-other --foreground
      archimed mount /srv/archive --all-users
    """
    run(_serve, **options)


def _serve(wanted: Wanted, manager: "Manager", on_ready: Callable[[], None]) -> None:
    # Late: nothing that makes threads may be loaded before the fork.
    from archimedfs.mounting import mount_for_all, mount_for_one
    from archimedfs.user_roots import unix_accounts
    from catalog.audit import Keeper
    from gateway.wiring import open_archive, open_database

    marks.require(wanted.config.store.path, "the store")
    database = open_database(wanted.config)
    keeper = Keeper(database)
    try:
        archive = open_archive(wanted.config, database, keeper)
        keeper.start()
        where = wanted.mountpoint
        accounts = unix_accounts(wanted.config.mounts.unix_user)
        if wanted.login is None:
            mount_for_all(archive, database, where, accounts=accounts, on_ready=on_ready, manager=manager)
            return
        user = principal(database, wanted.login)
        owner = owner_of(user.login, accounts, allow_other=wanted.allow_other)
        reader = user.login if wanted.allow_other else unix_login()
        mount_for_one(
            archive, database, where, user=user, owner=owner, actor="" if reader == user.login else reader,
            allow_other=wanted.allow_other, on_ready=on_ready, manager=manager,
        )  # fmt: skip
    finally:
        keeper.stop()
        database.close()
