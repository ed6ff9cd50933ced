"""`archimed ls`, `stat`, `cat`: the tree as one user sees it, without a mount.

PATH begins at the user's root: `2008-0003/E001`.
"""

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import click

from catalog.administration import principal
from catalog.audit import Face, Keeper
from catalog.database import Database
from catalog.pure.access import Principal
from catalog.view import Archive, View
from gateway.cli.administering import catalogue
from gateway.cli.common import configuration, json_option, unix_login
from gateway.cli.output import print_json_stream, print_record
from gateway.records import archive
from gateway.records.archive import NodeRecord
from gateway.wiring import open_archive

_CHUNK = 1 << 20
_PROGRAM = "archimed"

_path = click.argument("path", metavar="PATH")
_as = click.option("--as", "login", metavar="LOGIN", help="Whose tree; your own Unix login without.")


@click.command()
@click.argument("path", metavar="[PATH]", default="")
@_as
@click.option("-l", "long", is_flag=True, help="Also show sizes and times.")
@json_option
def ls(path: str, login: str | None, long: bool, as_json: bool) -> None:
    """List a folder of the archive as a user sees it.

    \b
    Example:
      archimed ls -l 2008-0003/E001 --as ada
    """
    with _view(login) as view:
        node = view.resolve(path)
        nodes = view.walk(node.id) if node.is_folder else iter([node])
        print_nodes(map(archive.node, nodes), long=long, as_json=as_json)


def print_nodes(nodes: Iterable[NodeRecord], *, long: bool, as_json: bool) -> None:
    """Print what lies in a folder."""
    if as_json:
        print_json_stream(nodes)
        return
    for each in nodes:
        print(_line(each) if long else _shown(each))  # not echo, which flushes each line


@click.command()
@_path
@_as
@json_option
def stat(path: str, login: str | None, as_json: bool) -> None:
    """Show what is known of one place in the archive.

    \b
    Example:
      archimed stat 2008-0003/E001/003_DCM_MR_t1_mprage/00001.dcm --as ada
    """
    with _view(login) as view:
        node = view.resolve(path)
        record = archive.stat(path, node, view.origin(node.id))
    if not as_json and record.get("made_of") == "":
        record["made_of"] = "nothing"
    print_record(record, as_json=as_json)


@click.command()
@_path
@_as
def cat(path: str, login: str | None) -> None:
    """Write an archived file's bytes to standard output.

    \b
    Example:
      archimed cat 2008-0003/E001/003_DCM_MR_t1_mprage/00001.dcm --as ada > 1.dcm
    """
    with _view(login) as view:
        opened = view.open(view.resolve(path).id, _PROGRAM)
        try:
            offset = 0
            while chunk := opened.read_at(offset, _CHUNK):
                offset += len(chunk)
                sys.stdout.buffer.write(chunk)
                opened.count(len(chunk))
        finally:
            opened.close()


@contextmanager
def _view(login: str | None) -> Iterator[View]:
    with view_as(login) as seen:
        yield seen.view


class Seen(NamedTuple):
    """The archive as a user sees it, and what it is seen through."""

    view: View
    user: Principal
    database: Database
    archive: Archive


@contextmanager
def view_as(login: str | None) -> Iterator[Seen]:
    """Give the archive as a user sees it, None for the caller's own login."""
    with catalogue() as database:
        keeper = Keeper(database)
        actor = unix_login()
        user = principal(database, login or actor)
        try:
            archive = open_archive(configuration(), database, keeper)
            yield Seen(archive.view(user, Face.CLI, "" if actor == user.login else actor), user, database, archive)
        finally:
            keeper.stop()


def _shown(node: NodeRecord) -> str:
    return node["name"] if node["kind"] == "file" else f"{node['name']}/"


def _line(node: NodeRecord) -> str:
    return f"{node.get('size', ''):>14}  {node['mtime']}  {_shown(node)}"
