"""The fields of a decision -> what `Desk.accept` takes. Nothing is decided here."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from catalog.gate.review.queries import BatchInfo
from catalog.pure.errors import Invalid

if TYPE_CHECKING:
    from werkzeug.datastructures import MultiDict

_LABEL = "label-"


@dataclass(frozen=True, slots=True)
class Acceptance:
    """A form as it was filled in; shown again if it cannot be done. `series` None: nothing was chosen yet, so all of them."""

    study: str = ""
    exam: str = ""
    series: frozenset[str] | None = None
    labels: Mapping[str, str] | None = None
    pixels_approved: bool = False
    looked: str = ""
    attest: str = ""
    despite: str = ""

    @classmethod
    def of(cls, form: "MultiDict[str, str]") -> "Acceptance":
        """Read it from what a browser sent."""
        labels = {key.removeprefix(_LABEL): value.strip() for key, value in form.items() if key.startswith(_LABEL)}
        return cls(
            form.get("study", "").strip(), form.get("exam", "").strip(), frozenset(form.getlist("series")),
            {label: text for label, text in labels.items() if text}, "pixels" in form,
            form.get("looked", "").strip(), form.get("attest", "").strip(),
            form.get("despite", "").strip(),
        )  # fmt: skip

    def takes(self, label: str) -> bool:
        """Whether a series is chosen."""
        return self.series is None or label in self.series

    def label(self, series: str) -> str:
        """Return what a series is to be called, '' for its own description."""
        return (self.labels or {}).get(series, "")

    def chosen(self, summary: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Return the arguments of `Desk.accept` beside study and exam.

        Raises:
            Invalid: no study, no exam code or no series is chosen.
        """
        if not self.study:
            raise Invalid("choose the study that it belongs to")
        if not self.exam:
            raise Invalid("give the exam code")
        series = self.series or frozenset()
        # To `Desk.accept` no series means all of them; here it means that all ticks were taken away.
        if not series and any("label" in one for one in summary):
            raise Invalid("choose at least one series, or reject the batch")
        labels = {label: text for label, text in (self.labels or {}).items() if label in series}
        return {
            "series": sorted(series), "labels": labels, "pixels_approved": self.pixels_approved,
            "looked": self.looked, "attest": self.attest,
            "despite": self.despite,
        }  # fmt: skip


def seen(info: BatchInfo) -> str:
    """Return a mark of a batch as a page showed it: another one means that something happened to it since."""
    shown = [info.state, info.study, info.exam, info.files, info.findings, info.summary, info.decided]
    return hashlib.sha256(json.dumps(shown, sort_keys=True).encode()).hexdigest()[:16]
