"""What the checks make of one staged file after the other: read it, return what the rules may see, keep what a reviewer must.

May live here: the way from a file's bytes to `CheckedFile`, and to what lies beside the staged bytes, identities included. Not:
what is found (the rules), which file comes next (the check job).
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from catalog.filetypes.dicom import DicomFacts, Index, read_facts
from catalog.filetypes.part10 import NotDicom
from catalog.gate.batches import StagedFile
from catalog.gate.deidentification import NO_EXAM_YET, Cleaner
from catalog.gate.result_look import NOTHING_SEEN, ResultLook, look
from catalog.gate.staged.area import Staging
from catalog.gate.staged.companions import Companions
from catalog.pure.checks import CheckedFile
from catalog.pure.checks.complete import position_of
from catalog.pure.checks.names import identifies, words_of
from catalog.pure.checks.series import Series, SeriesTable
from catalog.pure.errors import Held, Unavailable, Unreadable
from catalog.pure.results import FILE_TYPE, ResultPath, result_path

_MOST_LISTED = 200
"""So many patients, descriptions and dates a reviewer is shown: a batch with more is a mistake that these make clear."""

_LARGEST_TRIED = 64 << 20
_LARGEST_NUMBER = (1 << 63) - 1
_NUMBERED = re.compile(r"(\d{1,8})_")

BurnedIn = Callable[[Path], str]
"""Why a staged DICOM file would be held for what its pixels may show or its sound may tell; '' if it would not."""


@dataclass(frozen=True, slots=True)
class Examined:
    """A file that was looked at.

    `problem` says why it cannot be read, `held` why it could not be published, `waits` why somebody must vouch for it. `facts`
    is None if it is no DICOM, which `is_foreign` says, or cannot be read. `is_aside`: it is taken for what it holds or names,
    and is not checked itself. `tells` is what in a result may identify somebody, `lacks` the endings of
    files that belong beside it and are missing.
    """

    file: StagedFile
    facts: DicomFacts | None = None
    problem: str = ""
    held: str = ""
    waits: str = ""
    series: Series | None = None
    identity: bytes | None = None
    is_foreign: bool = False
    is_aside: bool = False
    tells: ResultLook = NOTHING_SEEN
    lacks: str = ""

    @property
    def number(self) -> int | None:
        """Its instance number, if it has one that a catalogue can keep."""
        number = self.facts.number if self.facts is not None else None
        return number if number is not None and abs(number) <= _LARGEST_NUMBER else None


@dataclass(slots=True)
class _People:
    """What the files say of patients and studies. Holds identities."""

    patients: Counter[tuple[str, str, str, str]] = field(default_factory=Counter)
    descriptions: set[str] = field(default_factory=set)
    dates: set[str] = field(default_factory=set)
    studies: set[str] = field(default_factory=set)

    def add(self, facts: DicomFacts, study: str) -> None:
        patient = (facts.patient_name, facts.patient_id, facts.birth_date, facts.sex)
        if patient in self.patients or len(self.patients) < _MOST_LISTED:
            self.patients[patient] += 1
        for known, value in (
            (self.descriptions, facts.study_description),
            (self.dates, facts.study_date),
            (self.studies, study),
        ):
            if value and len(known) < _MOST_LISTED:
                known.add(value)


class Examiner:
    """Looks at the files of one batch, in their order.

    Args:
        tree: the files of the batch, by name.
        burned_in: returns why an image or a recording would be held.
        cleaner: of the study, or by the default profile where that is not known; None if there is none.
        vouched: the same when a reviewer vouches for what it cannot look through; None where nobody may.
        exam: the exam code that the batch is meant for; '' if nobody said.
    """

    def __init__(
        self,
        staging: Staging,
        tree: Companions,
        burned_in: BurnedIn,
        cleaner: Cleaner | None,
        vouched: Cleaner | None,
        exam: str,
    ) -> None:
        self._staging = staging
        self._exam = exam
        self._tree = tree
        self._burned_in = burned_in
        self._cleaner = cleaner
        self._vouched = vouched
        self._named: list[tuple[int, str, str]] = []
        self._series = SeriesTable()
        self._people = _People()
        self._subjects: dict[str, set[bytes]] = {}

    def examine(self, file: StagedFile) -> Examined:
        """Read a staged file."""
        if made := result_path(self._staging.name_of(file.file)):
            return Examined(file, series=self._result(file, made), tells=self._seen_in(file, made))
        try:
            facts = read_facts(self._staging.path(file.file))
        except NotDicom:
            return Examined(file, is_foreign=True)
        except Index:
            return Examined(file, is_aside=True)
        except (Unreadable, Unavailable) as error:
            # Unavailable: a bad block under one file; the rest of the batch goes on (docs/laws.md, law 8).
            return Examined(file, problem=str(error))
        except FileNotFoundError:
            return Examined(file, problem="its bytes are missing from the staging folder")
        # A data set without a series UID breaks PS3.3 C.7.3.1, but exists: then number and description make the series.
        key = facts.series or f"{facts.series_number} {facts.series_description}"
        series = self._series.place(
            f"{facts.modality} {key}", self._patient(facts), file.id,
            number=facts.series_number, modality=facts.modality, file_type=f"DCM_{facts.modality or 'OT'}",
            description=facts.series_description,
        )  # fmt: skip
        series.uid = facts.series
        self._people.add(facts, self._digest("study", facts.study))
        if person := facts.patient_id.strip() or f"{facts.patient_name}{facts.birth_date}".strip():
            self._subjects.setdefault(series.label, set()).add(self._staging.digest(f"subject {person}"))
        return Examined(file, facts, series=series, identity=self._staging.digest(f"instance {facts.sop_instance}"))

    def foreign(self, file: StagedFile) -> Examined:
        """Look at a staged file that is no DICOM."""
        try:
            kind = self._tree.recognised(file.file)
            held = waits = self._held(file.file, file.size, self._cleaner)
            if waits and self._vouched is not None:
                held = self._held(file.file, file.size, self._vouched)
            if (lacking := self._tree.lacking(file.file, kind)) and (kind is None or kind.companions):
                held = f"its other half ({', '.join(lacking)}) is missing, and one means nothing without the other"
        except Unavailable as error:
            return Examined(file, problem=str(error))
        except FileNotFoundError:
            return Examined(file, problem="its bytes are missing from the staging folder")
        if held:
            return Examined(file, held=held, is_foreign=True)
        name = self._staging.name_of(file.file)
        folder = name.partition("/")[0] if "/" in name else ""
        number = _NUMBERED.match(folder)
        file_type = kind.name if kind is not None else ""
        series = self._series.place(
            f"{folder}/{file_type}", "", file.id,
            number=int(number[1]) if number else None, modality="", file_type=file_type, description=folder,
        )  # fmt: skip
        if name:
            self._named.append((file.id, file.file, series.label))
        return Examined(file, waits=waits, series=series, is_foreign=True, lacks=", ".join(lacking))

    def with_identifying_names(self) -> Iterator[CheckedFile]:
        """Yield the files that are no DICOM whose names may identify somebody, when all files were seen."""
        known = self._people.patients
        words = words_of(part for name, number, born, _ in known for part in (name, number, born))
        for file, staged, label in self._named:
            if identifies(self._staging.name_of(staged), words):
                yield CheckedFile(file, series=label, name_identifies=True)

    def _held(self, file: str, size: int, cleaner: Cleaner | None) -> str:
        if cleaner is None or size > _LARGEST_TRIED:
            return ""
        try:
            with self._staging.scratch() as target, self._tree.readable(file) as path:
                naming = self._tree.naming(file, self._exam or NO_EXAM_YET)
                overruled = cleaner is self._vouched
                cleaner.clean(path, target, stem=naming.stem, renamed=naming.renamed, overruled=overruled)
        except (Held, Unreadable) as error:
            return str(error)
        return ""

    def _result(self, file: StagedFile, made: ResultPath) -> Series:
        series = self._series.place(
            f"result {made.number} {made.label}", "", file.id, number=made.number, modality="", file_type=FILE_TYPE,
            description=made.label,
        )  # fmt: skip
        self._named.append((file.id, file.file, series.label))
        return series

    def _seen_in(self, file: StagedFile, made: ResultPath) -> ResultLook:
        try:
            return look(self._staging.path(file.file), made.parts[-1], self._exam, self._cleaner)
        except OSError:
            return NOTHING_SEEN  # publishing reads it again, and says so

    def checked(self, seen: Examined, elsewhere: Sequence[int], archived: str) -> CheckedFile:
        """Return what the rules see of a file.

        Args:
            elsewhere: the other batches that have the same instance.
            archived: the exam that has it.
        """
        facts = seen.facts
        unfinished = self._staging.is_unfinished(seen.file.file)
        if seen.series is None:
            return CheckedFile(seen.file.id, problem=seen.problem, held=seen.held, is_unfinished=unfinished)
        if facts is None or seen.identity is None:
            return CheckedFile(
                seen.file.id, waits=seen.waits, series=seen.series.label, file_type=seen.series.file_type,
                is_unfinished=unfinished, tells_people=", ".join(seen.tells.people), tells_dates=", ".join(seen.tells.dates),
                lacks=seen.lacks,
            )  # fmt: skip
        return CheckedFile(
            file=seen.file.id,
            instance=seen.identity.hex(),
            patient=self._patient(facts),
            study=self._digest("study", facts.study),
            series=seen.series.label,
            file_type=seen.series.file_type,
            number=facts.number,
            position=position_of(facts.position, facts.orientation),
            same_in_meta=facts.meta_instance == facts.sop_instance,
            lacks_pixels=facts.lacks_pixels,
            elsewhere=elsewhere,
            archived=archived,
            burned_in=self._burned_in(self._staging.path(seen.file.file)),
            is_unfinished=unfinished,
        )

    def series(self) -> list[Series]:
        """Return the series seen so far, by number."""
        return self._series.sorted()

    def subjects(self) -> dict[str, set[bytes]]:
        """Return, by the label of a series, digests of whose files are in it: by the ID, else by name and birth date."""
        return self._subjects

    def studies(self) -> set[str]:
        """Return the digests of the DICOM studies seen so far."""
        return self._people.studies

    def about(self) -> dict[str, Any]:
        """Return what a reviewer must see to decide, identities included."""
        people = self._people
        return {
            "patients": [
                {"name": name, "id": number, "birth_date": born, "sex": sex, "files": count}
                for (name, number, born, sex), count in sorted(people.patients.items())
            ],
            "study_descriptions": sorted(people.descriptions),
            "study_dates": sorted(people.dates),
            "series": [
                {
                    "label": one.label, "number": one.number, "modality": one.modality, "file_type": one.file_type,
                    "description": one.description, "files": one.files,
                }
                for one in self.series()
            ],
            # Digests, so that files of the same DICOM study that come later are known as late.
            "studies": sorted(people.studies),
        }  # fmt: skip

    def _patient(self, facts: DicomFacts) -> str:
        return self._digest("patient", f"{facts.patient_id} {'' if facts.patient_id else facts.patient_name}")

    def _digest(self, kind: str, value: str) -> str:
        return self._staging.digest(f"{kind} {value}").hex()
