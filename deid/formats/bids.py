"""Tables and descriptions of BIDS, whose columns and keys the standard names: cleaned, so that a dataset stays one.

The subject's label becomes the one that is given (`Context.renamed`), or one of the exam code; tables of participants are
reduced to the subject; dates are moved. https://bids-specification.readthedocs.io
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from deid.errors import Held
from deid.formats.dating import moved
from deid.formats.looks import in_line, is_label

if TYPE_CHECKING:
    from deid.formats.base import Work

_SUBJECT = re.compile(r"sub-[A-Za-z0-9]+")
_NUMBER = re.compile(r"[-+]?(?:\d{1,15}(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d{1,3})?|n/a|nan|NaN|inf", re.IGNORECASE)
_DATES = frozenset({"acq_time"})
_TERMS = frozenset(
    {
        "trial_type",
        "value",
        "stim_file",
        "type",
        "units",
        "status",
        "status_description",
        "response",
        "response_type",
        "channel",
    }
    | {
        "sex",
        "handedness",
        "species",
        "strain",
        "hed",
        "identifier",
        "modality",
        "software_filters",
        "coordinate_system",
        "hand",
    }
)
_LABELS = frozenset({"name", "reference", "channels", "group", "description", "material", "manufacturer", "hemisphere"})
_NUMBERS = frozenset(
    {"onset", "duration", "sample", "response_time", "reaction_time", "age", "x", "y", "z", "impedance", "size", "low_cutoff"}
    | {"high_cutoff", "notch", "sampling_frequency", "weight", "height"}
)
_OLDEST, _LONG = 89, re.compile(r"\d{6,}")


def is_table(text: str) -> bool:
    """Whether a text is a table whose columns BIDS names, one of them at least of those that tell it from others."""
    names = {name.strip().casefold() for name in text.lstrip("\ufeff").split("\n", 1)[0].split("\t")}
    known = names & (_DATES | _TERMS | _LABELS | _NUMBERS | {"participant_id", "filename", "session_id"})
    return bool(names & {"participant_id", "filename", "onset", "name"}) and len(known) >= min(2, len(names))


def is_numbers(text: str) -> bool:
    """Whether a table holds nothing but numbers, none of them so long that it may be somebody's."""
    cells = text.split()
    return len(cells) > 1 and all(
        _NUMBER.fullmatch(cell) and not _LONG.match(cell.split(".")[0].lstrip("+-")) for cell in cells
    )


def label_of(work: Work) -> str:
    """The subject's new label."""
    context = work.context
    return context.renamed[1] if context.renamed else "sub-" + re.sub(r"[^A-Za-z0-9]", "", context.exam)


def renamed(text: str, work: Work) -> str:
    """A text that names files, with the subject's new label."""
    return _SUBJECT.sub(label_of(work), text)


def clean_table(text: str, work: Work) -> str:
    """A table made clean. Raises `Held` for text of unknown words in a column that says nothing, unless TSV is attested."""
    lines = [line for line in text.lstrip("\ufeff").splitlines() if line.strip()]
    names = [name.strip() for name in lines[0].split("\t")]
    rows = [line.split("\t") for line in lines[1:]]
    if "participant_id" in names:
        rows = _of_subject(rows, names.index("participant_id"), work)
    made = [
        [_cell(name, cell.strip(), number, work) for name, cell in zip(names, row, strict=False)]
        for number, row in enumerate(rows, 2)
    ]
    if any(list(in_line(name)) for name in names):
        raise Held("a column that looks like an identity", "line 1")
    return "\n".join("\t".join(row) for row in [names, *made]) + "\n"


def _of_subject(rows: list[list[str]], column: int, work: Work) -> list[list[str]]:
    old = work.context.renamed[0] if work.context.renamed else ""
    kept = [row for row in rows if len(row) > column and (not old or row[column].strip() == old)]
    if not old and len(kept) > 1:
        raise Held("a table of several participants: bring each into an exam of its own")
    for row in rows:
        if row not in kept:
            work.note("participants", "X", "another participant", "\t".join(row).encode())
    return kept


def _cell(name: str, cell: str, number: int, work: Work) -> str:
    key, path = name.casefold(), f"line {number}"
    if not cell or cell.casefold() == "n/a":
        return cell
    if key == "participant_id":
        return label_of(work)
    if key in ("filename", "stim_file", "participant_id"):
        return renamed(cell, work) if key != "stim_file" or not list(in_line(cell)) else "n/a"
    if key in _DATES:
        return moved(cell, work, path) or "n/a"
    if key == "age" and _NUMBER.fullmatch(cell) and float(cell) > _OLDEST:
        work.note(path, "C", "age over 89", cell.encode())
        return "90"
    if _NUMBER.fullmatch(cell) and (key in _NUMBERS | _TERMS or not _LONG.match(cell)):
        return cell
    if key in _TERMS and not list(in_line(cell)):
        return cell
    if is_label(cell) or work.is_known(cell):
        return cell
    if key in _LABELS:
        work.note(path, "C", "label", cell.encode())
        return work.text(path, cell.encode()).decode("ascii") or ("n/a" if key != "name" else f"channel{number - 1}")
    if key not in _NUMBERS and not work.context.attests("TSV"):
        raise Held(
            "a TSV file with text of unknown words in a column that BIDS does not name: the profile must attest TSV", path
        )
    for what in in_line(cell):
        work.doubt(what, path)
    return cell if key not in _NUMBERS else "n/a"


def dataset_description(text: str, work: Work) -> bytes | None:
    """The description of a dataset with what BIDS requires and nothing that people typed; None if the text is none."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    version = value.get("BIDSVersion") if isinstance(value, dict) else None
    if not isinstance(version, str) or not re.fullmatch(r"\d{1,2}(?:\.\d{1,3}){1,2}(?:-\w{1,8})?", version):
        return None
    kept = {"Name": work.context.study, "BIDSVersion": version}
    if value.get("DatasetType") in ("raw", "derivative", "study"):
        kept["DatasetType"] = value["DatasetType"]
    work.note("dataset_description", "C", "description of the dataset", text.encode())
    return (json.dumps(kept, indent=2) + "\n").encode()
