"""Collecting what a batch brings, when all its files are stored: what each is filed by, and what was done to each series."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from catalog.database import Database
from catalog.filetypes import describing
from catalog.filetypes.describing import Filed, is_dicom
from catalog.gate.batches import Batch, SeriesSummary, StagedFile
from catalog.gate.publish import results
from catalog.gate.publish.results import ResultFile
from catalog.gate.publish.stored import Stored, all_stored
from catalog.gate.staged.area import Staging
from catalog.gate.staged.companions import Companions
from catalog.pure.errors import Unavailable
from catalog.pure.filing import Description, StoredFile
from catalog.pure.results import result_path

_LONELY = "the file that belongs to it is missing or held, and one means nothing without the other"


@dataclass(slots=True)
class Collected:
    """What an import brings: `files` with what they are filed by, `brought` the files of results, `taken` why a stored file
    cannot be filed, by its row, and the series that the batch holds with what was done to them."""

    files: list[StoredFile] = field(default_factory=list)
    brought: list[ResultFile] = field(default_factory=list)
    taken: dict[int, str] = field(default_factory=dict)
    summary: list[SeriesSummary] = field(default_factory=list)


def collect(
    database: Database, staging: Staging, tree: Companions, batch: Batch, known_words: Callable[[str], str]
) -> Collected:
    """Return what a batch whose files are all stored brings.

    Args:
        tree: where its files stood.
        batch: the batch.
        known_words: returns a text with only the words that identify nobody.

    Raises:
        Unavailable: the staging folder has lost names.
    """
    found = Collected()
    counts = _Counts()
    foreign: dict[int, tuple[StagedFile, Stored, Filed]] = {}
    for file, stored in all_stored(database, batch.id):
        counts.add(file.series, stored)
        if stored.is_result:
            found.brought.append(_result_file(staging, tree, batch.exam_code, file, stored, batch.labels.get(file.series)))
            continue
        filed = Filed(stored.headers, stored.ending, stored.digest)
        if is_dicom(filed.headers):
            description = describing.describe_all({file.id: filed}, {})[file.id]
            found.files.append(_stored_file(file, stored, description, batch.labels))
        else:
            foreign[file.id] = (file, stored, filed)
    filed_by = {number: filed for number, (_, _, filed) in foreign.items()}
    described = describing.describe_all(
        filed_by, tree.places({number: file.file for number, (file, *_) in foreign.items()}, known_words)
    )
    found.taken = dict.fromkeys(describing.lonely(filed_by, described), _LONELY)
    found.files += [
        _stored_file(file, stored, described[number], batch.labels)
        for number, (file, stored, _) in foreign.items()
        if number not in found.taken
    ]
    found.summary = counts.added_to(batch.summary)
    return found


class _Counts:
    """What de-identification did to the files of each series, and by which rules."""

    def __init__(self) -> None:
        self._done: dict[str, Counter[str]] = {}
        self._rules: dict[str, Counter[str]] = {}

    def add(self, label: str, stored: Stored) -> None:
        self._done.setdefault(label, Counter()).update(stored.done)
        self._rules.setdefault(label, Counter()).update(stored.rules)

    def added_to(self, summary: Sequence[SeriesSummary]) -> list[SeriesSummary]:
        """Return the batch's series, each with what was done to its files."""
        return [
            one | {"done": dict(sorted(done.items())), "rules": dict(sorted(self._rules[one["label"]].items()))}
            if (done := self._done.get(one.get("label", "")))
            else one
            for one in summary
        ]


def _result_file(
    staging: Staging, tree: Companions, exam: str, file: StagedFile, stored: Stored, label: str | None
) -> ResultFile:
    made = result_path(staging.name_of(file.file)) or tree.place_in_dataset(file.file, exam)
    if made is None:
        raise Unavailable("the staging folder has lost the names of a batch's files")
    made = made if label is None else replace(made, label=label)
    lineage = results.lineage_of(staging.path(file.file)) if made.is_lineage else None
    return ResultFile(file.id, made, stored.digest, stored.size, lineage)


def _stored_file(file: StagedFile, stored: Stored, description: Description, labels: Mapping[str, str]) -> StoredFile:
    """Return a stored file; `labels` are the descriptions that a reviewer gave to series."""
    if file.series in labels:
        description = replace(description, series_description=labels[file.series])
    return StoredFile(file.id, stored.digest, stored.size, description)
