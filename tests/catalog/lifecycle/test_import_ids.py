"""Imports are known by random ids: what two catalogues called by one number stays two, and older records are understood."""

from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa

from catalog.database.tables import batches, files
from catalog.lifecycle.rebuild import rebuild
from catalog.pure.corrections import Place
from catalog.pure.standing import Binned
from catalog.store import records, steps
from tests.builders import BuiltArchive, new_catalogue
from tests.catalog.gate.conftest import ROOT

NEW, OTHER = "a" * 32, "0" * 31 + "7"


def told(built: BuiltArchive, called: str, number: int, series: str) -> None:
    name = records.import_name(5, called)
    about = records.ImportRecord(called, number, 5, 5, 5, "ada", None, "", "")
    records.write_import(built.store, "S", name, about)
    records.write_manifest(built.store, "S", name, [line(series, called)])


def line(series: str, called: str) -> dict[str, Any]:
    identity = called[:32].ljust(32, "0").replace("-", "0")
    return {
        "exam": "E", "series": series, "name": "1.raw", "sha256": identity * 2, "size": 1, "file_type": "RAW", "number": 1,
        "identity": identity, "series_identity": identity, "description": "", "acquired": None, "headers": {},
    }  # fmt: skip


def shown(entries: Iterable[dict[str, Any]]) -> list[str]:
    return sorted(entry["series"] for entry in entries)


def test_two_imports_of_one_number_stay_two(built: BuiltArchive) -> None:
    built.study("S")
    told(built, NEW, 7, "001_RAW")
    told(built, OTHER, 7, "002_RAW")
    steps.write_removal(built.store, "S", "00000000-0000000009.r1-00000001-0", [Binned("x", [OTHER], Place("E", "002_RAW"))])
    assert shown(records.manifests(built.store, "S")) == ["001_RAW"]
    anew = new_catalogue(built.folder / "anew.db")
    steps.remove_removal(built.store, "S", "00000000-0000000009.r1-00000001-0")
    rebuild(anew, built.store, ROOT, lambda _: None)
    rows = anew.rows(sa.select(batches.c.id, batches.c.import_id).order_by(batches.c.id))
    assert ({row.import_id for row in rows}, rows[0].id, len({row.id for row in rows})) == ({NEW, OTHER}, 7, 2)
    assert len(anew.rows(sa.select(files.c.batch_id).distinct())) == 2
    anew.close()


def test_records_that_name_batches_by_number_are_understood(built: BuiltArchive) -> None:
    built.study("S")
    for called, number, series in (("0000000005-00000007", 7, "001_RAW"), (NEW, 7, "002_RAW")):
        told(built, called, number, series)
    assert {about.id for about, _ in records.imports(built.store, "S")} == {"0000000005-00000007", NEW}
    moved = b'{"batches":[7],"was":{"exam":"E","series":"001_RAW"},"now":{"exam":"E","series":"009_RAW"}}\n'
    other = moved.replace(b"001_RAW", b"002_RAW")
    built.store.write_record("S", "corrections/00000001-0000000009.jsonl", [moved, other])
    assert shown(records.manifests(built.store, "S")) == ["002_RAW", "009_RAW"], (
        "a number is never that of an import with an id"
    )
    purged = line("001_RAW", "0000000005-00000007")
    said = {key: purged[key] for key in ("series_identity", "identity", "sha256")}
    built.store.write_record(
        "S", "removals/00000001-0000000010.r1-00000001-1.jsonl", steps.lines([{"purged": {"batch": 7, **said}}])
    )
    assert shown(records.manifests(built.store, "S")) == ["002_RAW"]
