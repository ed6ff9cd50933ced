"""What stays, what goes and why, as the compiled rules say themselves: the table in ``docs/deidentification-table.md``.

Only telling may live here: whatever is said comes from `rules.policy` and the data files. ``python -m deid.rules.explain``
prints the page for the default profile, or for the profile in a file.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

from pydicom._dicom_dict import DicomDictionary

from deid.rules import table
from deid.rules.parse import load_profile
from deid.rules.policy import DATE_VRS, TEXT_VRS, Policy

if TYPE_CHECKING:
    from collections.abc import Iterable

    from deid.rules.model import Profile
    from deid.rules.policy import Verdict

_FEW = 12
_KINDS = {
    "class": "stays if the registry knows it or it is a vendor's class; else a mapped UID",
    "age": "over 89 years it says 90",
    "machine": "technical terms, numbers and codes stay, words that are no terms go",
    "label": "names of the nomenclature stay, others become numbered, sides stay",
}
_CLEANED = dict.fromkeys(DATE_VRS, "moved by the subject's days, times of day stay") | dict.fromkeys(
    TEXT_VRS, "words of the vocabulary and numbers stay, all else goes"
)
_CLEANED |= {
    "CS": "a code stays if it is one and names nobody",
    "AS": "over 89 years it says 90",
    "DS": "stays if it is a number",
    "IS": "stays if it is a number",
    "SQ": "each attribute in its items by its own rule",
    "PN": "the exam code",
    "UI": "a mapped UID",
    "OB": "goes",
    "UN": "goes",
}
_SAID = {"K": "stays", "X": "goes", "Z": "emptied", "D": "a dummy value", "E": "the exam code", "S": "the study code"}


def said(verdict: Verdict) -> str:
    """What a verdict does, in words."""
    if verdict.action == "U":
        return _KINDS["class"] if verdict.kind == "class" else "a mapped UID"
    if verdict.action != "C":
        return _SAID[verdict.action]
    if verdict.using:
        return f"cleaned from within ({verdict.using})"
    words = _KINDS.get(verdict.kind) if verdict.vr in TEXT_VRS or verdict.kind == "age" else None
    never = ", never left empty" if verdict.needed else ""
    return (words or _CLEANED.get(verdict.vr, "stays if it fits its VR")) + never


def page(profile: Profile) -> str:
    """The page in Markdown."""
    policy = Policy(profile, "")
    listed = {tag: row.name for tag, row in table.load(profile.standard).items() if "x" not in tag and tag != "ggggeeee"}
    lines = [*_HEAD, "## Attributes of table E.1-1", *_grouped(policy, ((int(tag, 16), name) for tag, name in listed.items()))]
    others = [(tag, entry[2]) for tag, entry in DicomDictionary.items() if f"{tag:08x}" not in listed and tag >> 16 > 7]
    lines += ["", "## All other attributes of the dictionary", *_grouped(policy, others, few=True)]
    lines += ["", "## Private attributes that stay", *_private(policy)]
    return "\n".join(lines) + "\n"


_HEAD = (
    "# What stays, what goes, and why",
    "",
    "Made from the rules by `python -m deid.rules.explain`, for the default profile and a SOP class that asks for nothing",
    "in particular; a test keeps it in step. A profile's own rules come before these",
    "([deidentification.md](deidentification.md)). *Why* names the rule: an edition and code of the table, an option, or a",
    "rule of ours where the table is silent.",
    "",
)


def _grouped(policy: Policy, attributes: Iterable[tuple[int, str]], *, few: bool = False) -> list[str]:
    groups: dict[tuple[str, str], list[str]] = defaultdict(list)
    for tag, name in attributes:
        vr = DicomDictionary[tag][0].split(" or ")[0] if tag in DicomDictionary else "UN"
        verdict = policy.standard(tag, vr)
        groups[said(verdict), verdict.rule].append(name)
    rows = [f"| {what} | {why} | {_names(names, few=few)} |" for (what, why), names in sorted(groups.items())]
    return ["", "| what happens | why | attributes |", "| --- | --- | --- |", *rows]


def _names(names: list[str], *, few: bool) -> str:
    if few and len(names) > _FEW:
        return f"{len(names)}, for example " + ", ".join(names[:: len(names) // _FEW][:_FEW])
    return ", ".join(names)


def _private(policy: Policy) -> list[str]:
    groups: dict[tuple[str, str], list[str]] = defaultdict(list)
    for each in table.safe_private():
        verdict = policy.private(each.group << 16 | 0x1000 | each.element, each.vr, each.creator.encode())
        groups[each.creator, said(verdict)].append(f"({each.group:04X},xx{each.element:02X}) {each.meaning}")
    rows = [f"| {creator} | {what} | {'; '.join(names)} |" for (creator, what), names in sorted(groups.items())]
    return ["", "| private creator | what happens | elements |", "| --- | --- | --- |", *rows]


if __name__ == "__main__":
    sys.stdout.write(page(load_profile(Path(sys.argv[1]).read_text("utf-8") if len(sys.argv) > 1 else None)))
