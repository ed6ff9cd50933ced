"""What a batch's uploader and its reviewers read of it, as plain text: what is in it, what was found, who decides next.

Pure. It may hold identities, since it lies in staging only.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from catalog.pure.batches import State
from catalog.pure.checks import Severity

_WIDTH = 100
_HEADS = {
    Severity.ERROR: "Errors: these files stay out, the others can be accepted",
    Severity.BLOCKING: "Blocking: the batch is accepted only with a reason",
    Severity.WARNING: "Warnings: to be looked at before the batch is accepted",
    Severity.NOTE: "Notes",
}
_STATES = {
    State.CHECKED: "checked; it waits for a decision",
    State.ACCEPTED: "accepted; it is being published",
    State.REJECTED: "rejected; its bytes are kept for some days, in which it can be restored, and are erased then",
    State.FAILED: "accepted, but nothing of it could be published; it waits to be accepted again or rejected",
    State.PUBLISHED: "published",
    State.SEALED: "sealed; it is being checked",
}


@dataclass(frozen=True, slots=True)
class ReportData:
    """What a report is made of. `names` gives the original name of a staged file that is named in a finding, where it has one.

    `deciders` says who decides next; `about` is what lies beside the staged bytes.
    """

    batch: int
    state: State
    study: str
    exam: str
    files: int
    size: int
    about: Mapping[str, Any]
    findings: Sequence[Mapping[str, Any]]
    names: Mapping[int, str]
    deciders: str
    decided_by: str
    reason: str


def report(data: ReportData) -> str:
    """Return the text of `_REPORT.txt`."""
    parts = [
        _head(data),
        _patients(data.about),
        _series(data.about),
        *_findings(data),
        _missing(data.about),
        _left_out(data.about),
        _preview(data.about),
        _end(),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _head(data: ReportData) -> str:
    where = "/".join(part for part in (data.study, data.exam) if part)
    lines = [
        f"Batch {data.batch}{f' for {where}' if where else ''}",
        "",
        f"State:    {_STATES.get(data.state, data.state)}",
        f"Files:    {data.files}, {data.size / 1e6:.1f} MB",
    ]
    if data.decided_by:
        lines.append(f"Decided:  by {data.decided_by}")
    if data.reason:
        lines.append(f"Reason:   {_line(data.reason)}")
    if data.state in {State.CHECKED, State.FAILED}:
        lines.append(f"Next:     {data.deciders} decides: archimed staging show {data.batch}")
    return "\n".join(lines)


def _patients(about: Mapping[str, Any]) -> str:
    keys = ("name", "id", "birth_date", "sex", "files")
    return _table("Patients, as the files say", keys, about.get("patients", ()))


def _series(about: Mapping[str, Any]) -> str:
    keys = ("label", "file_type", "description", "files")
    return _table("Series", keys, about.get("series", ()))


def _missing(about: Mapping[str, Any]) -> str:
    rows = [{"file": name} for name in about.get("missing", ())]
    return _table("Missing, as the index of the disc has it", ("file",), rows)


def _left_out(about: Mapping[str, Any]) -> str:
    return _table("Left out, for they are no regular files", ("file", "kind"), about.get("left_out", ()))


def _preview(about: Mapping[str, Any]) -> str:
    rows = [
        {
            "series": one["label"],
            "published as": f"{one['file_type']} {one['description']}".strip() or "(held)",
            "what is done to its first file": one["held"]
            or ", ".join(f"{count} {what}" for what, count in one["done"].items()),
        }
        for one in about.get("preview", ())
    ]
    return _table("De-identification, as the study's profile has it", tuple(rows[0]) if rows else (), rows)


def _findings(data: ReportData) -> list[str]:
    if not data.findings:
        return ["The checks found nothing to speak of."]
    parts = []
    for severity, head in _HEADS.items():
        lines = [_finding(finding, data.names) for finding in data.findings if finding["severity"] == severity]
        if lines:
            parts.append("\n".join([head, "-" * len(head), *lines]))
    return parts


def _finding(finding: Mapping[str, Any], names: Mapping[int, str]) -> str:
    number = finding["file"]
    name = _line(names.get(number, "")) if number is not None else ""
    which = f"file {number}{f' ({name})' if name else ''}: " if number is not None else ""
    return f"* {which}{_line(finding['message'])} [{finding['check']}]"


def _end() -> str:
    return "Files were not scanned for viruses. This report lies beside the files and is erased with them."


def _table(title: str, keys: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> str:
    if not rows:
        return ""
    cells = [[key.replace("_", " ") for key in keys], *([_line(row.get(key, "")) for key in keys] for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(keys))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells]
    return "\n".join([title, "-" * len(title), *lines])


def _line(value: object) -> str:
    """Return a value as part of a line: what would break it, or steer a terminal, becomes a question mark."""
    text = "".join(c if c.isprintable() else "?" for c in str(value if value is not None else ""))
    return text if len(text) <= 4 * _WIDTH else text[: 4 * _WIDTH - 1] + "\u2026"
