"""What `archimed staging` prints of batches, for scripts and for people. Shows identities to who may see the batch."""

from collections.abc import Mapping, Sequence
from typing import Any

import click

from catalog.pure.batches import State
from catalog.pure.checks import Severity
from gateway.cli.output import print_json, print_record, print_records
from gateway.records.gate import BatchDetailsRecord, BatchRecord

_SEVERITIES = list(Severity)
BATCHES = ("id", "state", "source", "study", "exam", "files", "problems", "last_write")
"""What a list of batches shows of each."""
_MOST_FILES = 20


def print_state(batch: BatchRecord, *, as_json: bool) -> None:
    """Print what became of a batch."""
    if as_json:
        print_json(batch)
        return
    where = f" into {batch['study']}/{batch['exam']}" if batch["study"] and batch["exam"] else ""
    click.echo(f"batch {batch['id']} {batch['state']}{where}: {batch['files']} files, {batch['problems']} problems")


def print_details(batch: BatchDetailsRecord, *, as_json: bool) -> None:
    """Print all a reviewer needs."""
    if as_json:
        print_json(batch)
        return
    if batch["receipt"]:
        print_record({"batch": batch["id"], "state": batch["state"], "files": batch["files"]}, as_json=False)
        click.echo("You brought it, and this is all that you may see of it: it is for a study that is not granted to you.")
        return
    print_record(
        {
            "batch": batch["id"], "state": batch["state"], "source": batch["source"], "study": batch["study"],
            "exam": batch["exam"], "files": batch["files"], "bytes": batch["bytes"], "last file": batch["last_write"],
            "follows": batch["follows"], "decided by": batch["decided_by"], "reason": batch["reason"],
            "job": batch["job"]["error"],
        },
        as_json=False,
    )  # fmt: skip
    _print_table("patients", batch["patients"])
    _print_table("series", [_series(one) for one in batch["series"] or batch["summary"]])
    _print_files(batch)
    _print_table("findings", _findings(batch["findings"]))
    _print_table("de-identification, by the first file of each series", [_previewed(one) for one in batch["preview"]])
    done = [one for one in batch["summary"] if one.get("done")]
    _print_table("what was done", [{"series": one["label"], "done": _counts(one["done"])} for one in done])
    _print_table("by which rules", [row for one in done for row in _by_rule(one)])
    _print_advice(batch)


def _print_files(batch: BatchDetailsRecord) -> None:
    _print_table("files", batch["staged"][:_MOST_FILES])
    if len(batch["staged"]) > _MOST_FILES:
        click.echo(f"… and {len(batch['staged']) - _MOST_FILES} more: --json lists all")


def _findings(findings: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return the findings as a table has them, the gravest first."""
    ordered = sorted(findings, key=lambda finding: _SEVERITIES.index(finding["severity"]))
    return [{key: finding[key] for key in ("severity", "check", "file", "message")} for finding in ordered]


def _series(one: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is told of a series, which the checks' notes and the catalogue know by different keys."""
    known = {
        "label": one.get("label", ""), "modality": one.get("modality", ""), "file_type": one.get("file_type", ""),
        "files": one.get("files", ""),
    }  # fmt: skip
    return known | ({"description": one["description"]} if "description" in one else {})


def _previewed(one: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "series": one["label"], "file_type": one["file_type"], "description": one["description"],
        "done": one["held"] or _counts(one["done"]), "by_rule": _counts(one["rules"]),
    }  # fmt: skip


def _by_rule(one: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return a series' rules, those that changed most first."""
    ordered = sorted(one.get("rules", {}).items(), key=lambda item: -item[1])
    return [{"series": one["label"], "attributes": count, "rule": rule} for rule, count in ordered]


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {what}" for what, count in counts.items())


def _print_table(title: str, rows: Sequence[Mapping[str, Any]]) -> None:
    if rows:
        click.echo(f"\n{title}")
        # Series of other kinds tell other things.
        columns = list(dict.fromkeys(key for row in rows for key in row))
        print_records([{column: row.get(column) for column in columns} for row in rows], columns, as_json=False)


def _print_advice(batch: BatchDetailsRecord) -> None:
    if batch["state"] not in {State.CHECKED, State.FAILED}:
        return
    if any(finding["check"] in {"publish", "burned_in"} for finding in batch["findings"]):
        click.echo(
            "\nWhat is held for its pixels or its sound can be accepted with --pixels-approved by who has looked and listened, "
            "what a heuristic holds with --attest REASON by who knows that it identifies nobody; what is certain is rejected."
        )
    if not batch["preview"]:
        click.echo("\nWhat de-identification would do: add --study CODE.")
