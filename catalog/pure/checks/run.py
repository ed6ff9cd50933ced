"""All rules over one batch, file after file."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import replace
from itertools import chain

from catalog.pure.checks import complete, expected, single, together
from catalog.pure.checks.model import CheckedFile, Finding, Rule, Severity, counted
from catalog.pure.checks.series import Series
from catalog.pure.expectations import Expectations

RULES: tuple[type[Rule], ...] = (
    single.Readable,
    single.Publishable,
    single.Finished,
    single.Complete,
    together.OnePatient,
    together.OneStudy,
    together.Duplicates,
    together.BurnedIn,
    single.Vouched,
    single.Consistent,
    single.HasPixels,
    single.NameTells,
    single.ResultTells,
    complete.Gaps,
    complete.Slices,
)
MOST_FILES = 100
"""So many files are named by one check; the others are counted."""


class Checks:
    """The checks of one batch."""

    def __init__(self) -> None:
        self._rules = [rule() for rule in RULES]
        self._found: dict[str, list[Finding]] = {rule.name: [] for rule in RULES}
        self._more: Counter[str] = Counter()

    def see(self, file: CheckedFile) -> str:
        """Show a file to every rule; return why it stays out, '' if it does not."""
        why = ""
        for rule in self._rules:
            for finding in rule.see(file):
                self._keep(finding)
                if finding.severity is Severity.ERROR:
                    why = why or finding.message
        return why

    def know_archived(self, series: str, numbers: Collection[int]) -> None:
        """Tell every rule which instance numbers the exam has already of a series of the batch."""
        for rule in self._rules:
            rule.know_archived(series, numbers)

    def end(self, series: Sequence[Series] = (), exam: str = "", expectations: Expectations | None = None) -> list[Finding]:
        """Return all findings, in the order of the rules.

        Args:
            series: what the batch holds.
            exam: the exam code it is meant for; '' if nobody said.
            expectations: what its study expects; None if the study is not known.
        """
        for rule in self._rules:
            for finding in rule.end():
                self._keep(finding)
        found = [finding for rule in self._rules for finding in self._of(rule)]
        if expectations is not None:
            of_study = chain(
                expected.exam_code(exam, expectations), expected.protocol(series, expectations), expected.siblings(series)
            )
            found += [replace(finding, of_study=True) for finding in of_study]
        return found

    def _keep(self, finding: Finding) -> None:
        kept = self._found[finding.check]
        if finding.file is not None and len(kept) >= MOST_FILES:
            self._more[finding.check] += 1
        else:
            kept.append(finding)

    def _of(self, rule: Rule) -> list[Finding]:
        more = self._more[rule.name]
        rest = [rule.says(f"and {counted(more, 'more file')} like these")] if more else []
        return self._found[rule.name] + rest
