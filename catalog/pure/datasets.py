"""BIDS datasets among dropped files: which files are of one, and where each of them stands when its subject has another label.

Decides by names alone; pure. A name that BIDS does not know keeps its file out of the dataset: it may be anybody's.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from catalog.pure.results import ResultPath

LABEL = "bids"
_DESCRIPTION = "dataset_description.json"
_TOP = frozenset({_DESCRIPTION, "participants.tsv", "participants.json", "README", "README.md", "README.txt", "CHANGES"})
_FOLDER = re.compile(r"sub-[A-Za-z0-9]+|ses-[A-Za-z0-9]+|anat|dwi|func|fmap|perf|eeg|meg|ieeg|beh|pet|nirs|motion|mrs|micr")
_NAME = re.compile(r"(?:[a-z]{1,12}-[A-Za-z0-9+]{1,40}_)*[A-Za-z0-9]{1,24}(?:\.[A-Za-z0-9]{1,8}){1,2}")
_SUBJECT = re.compile(r"sub-[A-Za-z0-9]+")
_LONG_NUMBER = re.compile(r"\d{6,}")


@dataclass(frozen=True, slots=True)
class Dataset:
    """A dataset below `root` ('' or a folder with a slash behind it); `subject` is its one subject's label, '' for several."""

    root: str
    subject: str

    def renamed(self, exam: str) -> tuple[str, str]:
        """Return the subject's label and the one that stands for it: the exam's code, as BIDS allows it."""
        return self.subject, "sub-" + re.sub(r"[^A-Za-z0-9]", "", exam)

    def place(self, name: str, exam: str) -> ResultPath | None:
        """Return where a file stands in the published dataset; None if its name is none of BIDS, or may be a date's."""
        if not self.subject or not name.startswith(self.root):
            return None
        *above, last = name.removeprefix(self.root).split("/")
        old, new = self.renamed(exam)
        known = last in _TOP if not above else _NAME.fullmatch(last) and all(map(_FOLDER.fullmatch, above))
        known = known or (not above and _NAME.fullmatch(last) is not None and not _SUBJECT.match(last))
        if not known or _LONG_NUMBER.search("/".join([*above, last]).replace(old, "")):
            return None
        return ResultPath(0, LABEL, tuple(_with(part, old, new) for part in (*above, last)))


def dataset_of(names: Iterable[str]) -> Dataset | None:
    """Return the dataset that a tree holds; None if it holds none."""
    there = list(names)
    roots = sorted((name.removesuffix(_DESCRIPTION) for name in there if name.rpartition("/")[2] == _DESCRIPTION), key=len)
    if not roots:
        return None
    subjects = {first for name in there if _SUBJECT.fullmatch(first := name.removeprefix(roots[0]).partition("/")[0])}
    return Dataset(roots[0], subjects.pop() if len(subjects) == 1 else "")


def _with(part: str, old: str, new: str) -> str:
    return re.sub(rf"{re.escape(old)}(?![A-Za-z0-9])", new, part)
