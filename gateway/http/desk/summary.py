"""The page between a filled-in acceptance and its decision: what would be published where, and what was found of it.

Decides nothing and keeps nothing: the form that its button sends has all that was entered, and the mark of the batch as shown.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from flask import render_template
from flask.typing import ResponseReturnValue

from catalog.gate.review.decisions import Review
from catalog.gate.review.queries import BatchInfo
from catalog.gate.review.selection import Selection
from catalog.pure.errors import NotFound
from catalog.pure.names import folded
from catalog.view import View
from catalog.view.contents import ExamContents
from gateway.http.desk import pages, words
from gateway.http.desk.forms import Acceptance, seen


def show(view: View, desk: Review, info: BatchInfo, entered: Acceptance) -> ResponseReturnValue:
    """Return the summary of an acceptance that could be done now.

    Raises:
        Invalid, NotFound, Refused: it cannot be done, as `Review.accept` says.
    """
    chosen = entered.chosen(info.summary)
    labels: Sequence[str] = chosen["series"]
    desk.require_acceptable(
        info.id, entered.study, entered.exam, despite=entered.despite, series=labels, labels=chosen["labels"]
    )
    about = desk.about(info.id)
    files = desk.series_files(info.id)
    findings = concerning(info.findings, labels, info.summary, files)
    rows = pages.series_rows(info, about)
    return render_template(
        "summary.html", batch=info, about=about, entered=entered, seen=seen(info),
        taken=[one for one in rows if one["label"] in labels], left=[one for one in rows if one["label"] not in labels],
        groups=words.grouped(findings), names=desk.names(info.id, pages.named(findings)),
        checks={finding["check"] for finding in findings}, is_previewed=info.study == entered.study,
        existing=_existing(view, entered.study, entered.exam),
        evidence=desk.evidence(info.id, labels) if entered.pixels_approved else None,
        shown={file for each in files.values() for file in each},
    )  # fmt: skip


def _existing(view: View, study: str, exam: str) -> ExamContents | None:
    """Return the exam that the files would be added to; None if there is none."""
    try:
        exams = view.exams(view.resolve(study, any_case=True).id)
    except NotFound:
        return None
    return next((one for one in exams if folded(one.code) == folded(exam)), None)


def concerning(
    findings: Sequence[Mapping[str, Any]],
    labels: Sequence[str],
    summary: Sequence[Mapping[str, Any]],
    files: Mapping[str, Sequence[int]],
) -> Sequence[Mapping[str, Any]]:
    """Return the findings that speak of some series of a batch, or of the batch as far as it is theirs.

    Args:
        findings: those of the batch.
        labels: the series' labels; none: the batch has no series, and all of it is meant.
        summary: the batch's series, as the checks found them.
        files: by label, the files of each series.
    """
    selection = Selection.of(labels, summary)
    if not selection.labels:
        return findings
    series_of = {file: label for label, each in files.items() for file in each}

    def concerns(finding: Mapping[str, Any]) -> bool:
        label = finding.get("series") or series_of.get(finding["file"], "")
        if label or finding["file"] is not None:
            return label in selection.labels
        return selection.concerns(finding, summary)

    return [finding for finding in findings if concerns(finding)]
