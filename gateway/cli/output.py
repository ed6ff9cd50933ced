"""What commands print: one JSON value for scripts, or a table for people. Values are never cut short."""

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import nullcontext
from typing import Any

import click

from gateway.records.tables import csv_line

Record = Mapping[str, Any]


def print_records(records: Sequence[Record], columns: Sequence[str], *, as_json: bool) -> None:
    """Print a list: an array of the whole records, or a table of some of their columns."""
    if as_json:
        print_json(records)
    elif records:
        _print_table([column.replace("_", " ").upper() for column in columns], [_row(record, columns) for record in records])


def print_record(record: Record, *, as_json: bool) -> None:
    """Print one thing: an object, or its parts below each other."""
    if as_json:
        print_json(record)
        return
    width = max(len(key) for key in record)
    for key, value in record.items():
        click.echo(f"{key.replace('_', ' '):<{width}}  {_text(value)}".rstrip())


def print_csv(records: Sequence[Record], columns: Sequence[str]) -> None:
    """Print a list as CSV; see `gateway.records.tables`."""
    sys.stdout.write(csv_line(columns))
    for record in records:
        sys.stdout.write(csv_line(_row(record, columns)))


def print_json(value: object) -> None:
    """Print one JSON value."""
    click.echo(json.dumps(value, ensure_ascii=False, indent=1))


def print_json_stream(records: Iterable[Record]) -> None:
    """Print a JSON array as its elements come: there may be twenty thousand, and each is a line of its own."""
    before = "["
    for record in records:
        print(before + json.dumps(record, ensure_ascii=False), end="")  # not echo, which flushes each line
        before = ",\n "
    print("[]" if before == "[" else "]")


def _row(record: Record, columns: Sequence[str]) -> list[str]:
    return [_text(record[column]) for column in columns]


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(_text(item) for item in value)
    if isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False)
    return str(value)


def _print_table(heads: list[str], rows: list[list[str]]) -> None:
    if not sys.stdout.isatty():
        widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]
        for row in (heads, *rows):
            click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
        return
    from rich.console import Console  # late: a piped listing does not wait for it
    from rich.table import Table
    from rich.text import Text

    table = Table(*heads, box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for column in table.columns:
        column.overflow = "fold"
    for row in rows:
        table.add_row(*map(Text, row))  # Text: brackets in a description are no markup
    console = Console()
    with console.pager(styles=True) if len(rows) > console.height else nullcontext():
        console.print(table)
