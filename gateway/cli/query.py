"""`archimed query`: series and files by their metadata."""

import itertools
from collections.abc import Iterable

import click

from catalog.administration import principal
from catalog.database import Database
from catalog.metadata import known, upkeep
from catalog.metadata.coverage import coverage
from catalog.pure.access import Action
from catalog.pure.errors import NotFound, Refused
from catalog.pure.query import QueryField, fields_of, parse
from gateway.cli.administering import catalogue
from gateway.cli.common import configuration, json_option, unix_login
from gateway.cli.output import Record, print_json_stream, print_records
from gateway.records import archive
from gateway.wiring import open_archive, open_store


@click.command()
@click.argument("question", required=False)
@click.option("--as", "login", metavar="LOGIN", help="Whose studies; your own Unix login without.")
@click.option("--files", "with_files", is_flag=True, help="List the files that answer instead of their series.")
@click.option("--paths", is_flag=True, help="Print paths alone, one a line.")
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="Print N answers at most.")
@click.option("--fields", "list_fields", is_flag=True, help="List the fields: in how many series, unit, type.")
@click.option("--index", "index", metavar="FIELD", help="Make questions about a field faster; for administrators.")
@click.option(
    "--refill", "refill", metavar="STUDY", help="Take a study's metadata anew from its manifests; for administrators."
)
@json_option
def query(
    question: str | None, login: str | None, with_files: bool, paths: bool, limit: int | None, list_fields: bool,
    index: str | None, refill: str | None, as_json: bool,
) -> None:  # fmt: skip
    """Find series of which at least one file answers a question.

    Numbers are in the field's own unit, as DICOM has it (EchoTime: ms), or in the one you write: 0.08 s. Text goes between
    quotes. A field that no study keeps is refused; what some of them do not keep is said on stderr. docs/query.md says the
    rest.

    \b
    Example:
      archimed query 'file_type = "DCM_MR" and EchoTime >= 80 ms and study = "2008-0003"' --as ada
      archimed query 'SeriesDescription ~ "flair" and acquired >= 2009-01-01' --as ada --paths
      archimed query 'file_type in ("NIFTI", "EDF") and size >= 1 GB' --as ada --files --json
    """
    if sum(map(bool, (question, list_fields, index, refill))) != 1:
        raise click.UsageError("give a question, or one of --fields, --index FIELD, --refill STUDY")
    with catalogue() as database:
        if list_fields:
            _print_fields(database, login, as_json=as_json)
            return
        if question:
            _answer(database, question, login, with_files=with_files, paths=paths, limit=limit, as_json=as_json)
            return
        _require_administrator(database, login)
        if index:
            made = upkeep.make_index(database, index)
            click.echo(f"{index} has an index {'now' if made else 'already'}")
        elif refill:
            count = upkeep.refill(database, open_store(configuration()), refill)
            click.echo(f"took the metadata of {count} files of {refill} from its manifests")


def _answer(
    database: Database, question: str, login: str | None, *, with_files: bool, paths: bool, limit: int | None, as_json: bool
) -> None:
    view = open_archive(configuration(), database).view(principal(database, login or unix_login()))
    for note in view.not_known(question):
        click.echo(f"archimed: {note}", err=True)
    found = view.search(question, with_files=with_files)
    records = itertools.islice(archive.files(found) if with_files else map(archive.series, found), limit)
    print_found(records, question, with_files=with_files, paths=paths, as_json=as_json)


def print_found(records: Iterable[Record], question: str, *, with_files: bool, paths: bool, as_json: bool) -> None:
    """Print the series or files that answer a question."""
    if as_json:
        print_json_stream(records)
    elif paths:
        for record in records:
            print(record["path"])  # not echo, which flushes each line
    else:
        asked = {field.name: field for field in fields_of(parse(question, known.known()))} if not with_files else {}
        _print_table(records, list(asked.values()), with_files=with_files)


def _print_table(records: Iterable[Record], asked: list[QueryField], *, with_files: bool) -> None:
    """Print the answers, with what was asked for as far as it is the same in all files or a range of numbers."""
    rows = [
        {**record} | {each.name: _shown(record.get("metadata", {}).get(each.name), each.unit) for each in asked}
        for record in records
    ]
    known = [each.name for each in asked if any(row[each.name] for row in rows)]
    print_records(rows, ["path", *(("size", "acquired") if with_files else ("files", "acquired", *known))], as_json=False)


def _shown(value: object, unit: str) -> str:
    text = f"{_plain(value['min'])}..{_plain(value['max'])}" if isinstance(value, dict) else _plain(value)
    return f"{text} {unit}".rstrip() if text else ""


def _plain(value: object) -> str:
    if isinstance(value, list):
        return "\\".join(map(_plain, value))
    return "" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def _print_fields(database: Database, login: str | None, *, as_json: bool) -> None:
    records = [archive.field(each) for each in coverage(database, _reader(database, login))]
    print_records(records, ("name", "kind", "unit", "series", "meaning"), as_json=as_json)


def _reader(database: Database, login: str | None) -> int | None:
    """Return whose series count: those of `--as`, else one's own; None, all, for administrators and who is no user at all."""
    if login:
        return principal(database, login).user_id
    try:
        own = principal(database, unix_login())
    except NotFound:
        return None
    return None if own.may(Action.ADMINISTER) else own.user_id


def _require_administrator(database: Database, login: str | None) -> None:
    """Whoever reads the configuration acts for the machine; a login must be an administrator's."""
    if login and not principal(database, login).may(Action.ADMINISTER):
        raise Refused(f"{login} is no administrator: that takes the role administrator")
