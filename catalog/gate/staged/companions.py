"""What stood together in a dropped tree: files that need one another, and where each stood.

Original names are read here and go no further: what leaves are places without names (`catalog.filetypes.describing`), and
paths of links that carry an ending and a number. May live here: names of one batch's files. Not: what a type means, what is
published.
"""

import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePath

import sqlalchemy as sa

from catalog.database import Database
from catalog.database.tables import staged_files
from catalog.filetypes import FileType, Sample, file_types, recognise
from catalog.filetypes.describing import Place, places, ranks
from catalog.filetypes.model import BY_COMPANION, as_companion
from catalog.filetypes.sample import companions, stem_of
from catalog.gate.staged.area import Staging
from catalog.pure.datasets import Dataset, dataset_of
from catalog.pure.names import file_name
from catalog.pure.results import ResultPath

_GRADIENTS = (".bval", ".bvec")
"""Of a diffusion image: text, so no file type of their own says that one needs the other."""


_UNKNOWN = object()
_ANYBODYS = frozenset({".raw", ".eeg", ".gz"})  # endings that programs of all kinds use


@dataclass(frozen=True, slots=True)
class Naming:
    """What a file will be called but for its ending, '' if that does not matter, and the subject's labels in a BIDS dataset."""

    stem: str = ""
    renamed: tuple[str, str] | None = None


class Companions:
    """The files of one batch, by their names as the catalogue knows them.

    Names are read when they are asked for first: a batch of DICOM files never needs them.

    Args:
        files: returns them; asked again when one turns up that was not among them, as out of an archive.
    """

    def __init__(self, staging: Staging, files: Callable[[], Iterable[str]]) -> None:
        self._staging = staging
        self._files = files
        self._names: dict[str, str] = {}
        self._companions: dict[str, dict[str, Path]] = {}
        self._dataset: object = _UNKNOWN

    @classmethod
    def of(cls, database: Database, staging: Staging, batch_id: int) -> "Companions":
        """Return the tree of a batch."""
        statement = sa.select(staged_files.c.file).where(staged_files.c.batch_id == batch_id)
        return cls(staging, lambda: [row.file for row in database.rows(statement)])

    def recognised(self, file: str) -> FileType | None:
        """Return the type of a file.

        Raises:
            FileNotFoundError: it is not there.
            Unavailable: the disk does not give its bytes.
        """
        return recognise(Sample(self._staging.path(file), self._beside(file)))

    @contextmanager
    def readable(self, file: str) -> Iterator[Path]:
        """Give the path by which a file can be read: beside its companions if its type needs them, else where it is."""
        beside = self._beside(file)
        kind = self.recognised(file) if len(beside) > 1 else None
        if kind is None or kind.rank != BY_COMPANION:
            yield self._staging.path(file)
            return
        with tempfile.TemporaryDirectory(prefix="archimed-") as folder:
            for ending, path in beside.items():
                (Path(folder) / f"1{ending}").symlink_to(path.absolute())
            yield Path(folder) / f"1{PurePath(self._names[file]).suffix.lower()}"

    def lacking(self, file: str, kind: FileType | None) -> list[str]:
        """Return the endings of files that must stand beside one and do not.

        Args:
            kind: its type; None if nothing recognises it, as the half of a pair that has no mark of its own.
        """
        if file not in self._names:
            self._load()
        name = self._names.get(file, "").lower()
        ending = ".raw" if name.endswith(".raw.gz") else as_companion(PurePath(name).suffix) if kind is not None else ""
        ending = ending or PurePath(name).suffix
        if kind is None and ending in _ANYBODYS:
            return []
        kinds = [kind] if kind is not None else [each for each in file_types() if each.rank == BY_COMPANION]
        families = [*(each.companions for each in kinds), _GRADIENTS]
        wanted = next((set(family) for family in families if ending in family), set())
        return sorted(wanted - {as_companion(each) for each in self._beside(file)} - {ending})

    def places(self, files: Mapping[int, str], known_words: Callable[[str], str]) -> dict[int, Place]:
        """Return where files stood, by any number of theirs."""
        names = {number: self._staging.name_of(file) for number, file in files.items()}
        if any(names.values()) and not self._names:
            self._load()
        return places(names, self._staging.digest, known_words, [name for name in self._names.values() if name])

    def stem(self, file: str) -> str:
        """Return what a file will be called but for its ending if a header, itself or beside it, names others; '' otherwise."""
        if file not in self._names:
            self._load()
        if not self._names.get(file):
            return ""
        rank = ranks(name for name in self._names.values() if name).get(stem_of(self._names[file]), 0)
        return file_name(rank, "") if rank else ""

    def dataset(self) -> Dataset | None:
        """Return the BIDS dataset that the batch holds; None if it holds none of one subject."""
        if not self._names:
            self._load()
        if self._dataset is _UNKNOWN:
            self._dataset = dataset_of(name for name in self._names.values() if name)
        found = self._dataset
        return found if isinstance(found, Dataset) and found.subject else None

    def place_in_dataset(self, file: str, exam: str) -> ResultPath | None:
        """Return where a file stands in the batch's BIDS dataset; None if it is of none."""
        dataset = self.dataset()
        return dataset.place(self._names.get(file, ""), exam) if dataset is not None and self._names.get(file) else None

    def naming(self, file: str, exam: str) -> Naming:
        """Return what a file that names others must know when it is cleaned."""
        placed, dataset = self.place_in_dataset(file, exam), self.dataset()
        if placed is None or dataset is None:
            return Naming(self.stem(file))
        return Naming(PurePath(stem_of(placed.parts[-1])).name, dataset.renamed(exam))

    def _load(self) -> None:
        self._names = {file: self._staging.name_of(file) for file in self._files()}
        self._dataset = _UNKNOWN
        self._companions = companions({name: self._staging.path(file) for file, name in self._names.items() if name})

    def _beside(self, file: str) -> Mapping[str, Path]:
        if file not in self._names:
            self._load()
        return self._companions.get(self._names.get(file, ""), {})
