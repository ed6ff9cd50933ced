"""Rules on what the files of a batch have in common: patient, DICOM study, instances, pixels that may show text."""

from collections import Counter
from collections.abc import Iterable, Iterator

from catalog.pure.checks.model import CheckedFile, Finding, Rule, Severity, counted, of_series

_KEPT = 100
_DIGEST_DIGITS = 16


class OnePatient(Rule):
    """A batch becomes one exam, so it must be of one patient."""

    name = "one_patient"
    severity = Severity.BLOCKING

    def __init__(self) -> None:
        self._files: Counter[str] = Counter()
        self._first: dict[str, list[tuple[int, str]]] = {}

    def see(self, file: CheckedFile) -> Iterable[Finding]:
        """Count the files of each patient, and remember the first ones."""
        if not file.problem and file.file_type.startswith("DCM"):
            self._files[file.patient] += 1
            first = self._first.setdefault(file.patient, [])
            if len(first) < _KEPT:
                first.append((file.file, file.series))
        return ()

    def end(self) -> Iterator[Finding]:
        """Name the strangers among the files of the patient with most files."""
        if len(self._files) < 2:
            return
        common = self._files.most_common(1)[0][0]
        strangers = self._files.total() - self._files[common]
        yield self.says(
            f"files of {len(self._files)} patients are in one batch; {counted(strangers, 'file')} "
            f"{'is' if strangers == 1 else 'are'} not of the one with most files. Accept the series of one patient with "
            "--series, reject it and send one patient at a time, or accept it with --despite REASON if they are the same person"
        )
        others = sorted(found for patient, first in self._first.items() if patient != common for found in first)
        for number, series in others[:_KEPT]:
            yield self.says("this file is of another patient than most of the batch", number, series)


class OneStudy(Rule):
    """A DICOM study maps to an exam; two in a batch may be two visits."""

    name = "one_study"
    severity = Severity.WARNING

    def __init__(self) -> None:
        self._studies: set[str] = set()

    def see(self, file: CheckedFile) -> Iterable[Finding]:
        """Collect the studies."""
        if not file.problem and file.file_type.startswith("DCM"):
            self._studies.add(file.study)
        return ()

    def end(self) -> Iterator[Finding]:
        """Say how many there are."""
        if len(self._studies) > 1:
            yield self.says(
                f"files of {len(self._studies)} DICOM studies are in one batch and would become one exam; "
                "check that it is one visit"
            )


class Duplicates(Rule):
    """One instance should be there once: in the batch, at the gate, in the archive."""

    name = "duplicates"
    severity = Severity.WARNING

    def __init__(self) -> None:
        self._seen: set[int] = set()
        self._elsewhere: Counter[int] = Counter()  # an instance may wait in several batches
        self._archived: Counter[str] = Counter()

    def see(self, file: CheckedFile) -> Iterator[Finding]:
        """Tell of the second; count what is elsewhere."""
        if file.instance:
            short = int(file.instance[:_DIGEST_DIGITS], 16)  # a number takes a third of the room of the digest's text
            if short in self._seen:
                yield self.says(
                    "this file is the same instance as another, with other bytes; only the first will be archived, "
                    "in whatever series they are",
                    file.file,
                    file.series,
                )
            self._seen.add(short)
        self._elsewhere.update(file.elsewhere)
        if file.archived:
            self._archived[file.archived] += 1

    def end(self) -> Iterator[Finding]:
        """Say how many wait in which batch, and how many are in which exam."""
        for batch, count in sorted(self._elsewhere.items()):
            message = f"{count} of the files {'waits' if count == 1 else 'wait'} in batch {batch} too"
            yield Finding(self.name, self.severity, message, batch=batch)
        for exam, count in sorted(self._archived.items()):
            message = (
                f"{count} of the files {'is' if count == 1 else 'are'} archived in exam {exam} of this study already; the same "
                "bytes are not archived again, other bytes are held, in whatever series they come: check the exam code"
            )
            yield Finding(self.name, self.severity, message, of_study=True)


class BurnedIn(Rule):
    """Pixels may show a name or a date, sound may tell one: a human looks or listens, or they are held."""

    name = "burned_in"
    severity = Severity.WARNING

    def __init__(self) -> None:
        self._found: Counter[tuple[str, str]] = Counter()

    def see(self, file: CheckedFile) -> Iterable[Finding]:
        """Count the suspicions of each series."""
        if file.burned_in:
            self._found[file.series, file.burned_in] += 1
        return ()

    def end(self) -> Iterator[Finding]:
        """Say each suspicion once a series."""
        for (series, why), count in self._found.items():
            sound = why.startswith("a voice ")
            what = "identities may be heard in" if sound else "text may be burned into the pixels of"
            yield self.says(
                f"{of_series(series)}: {what} {counted(count, 'file')}: {why}. "
                f"{'Listen to them' if sound else 'Look at the images'}; accepted with --pixels-approved they are published as "
                "they are, without it they are held",
                series=series,
            )
