"""What a reader may rely on, whichever face shows the archive. A face's test module subclasses `ReadingSuite` and gives `face`.

    class TestMount(ReadingSuite):
        @pytest.fixture
        def face(self, filled: BuiltArchive) -> Iterator[Face]: ...     # anna's archive

A change that happened while the face was up may take `PATIENCE` seconds to show.
"""

import random
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from catalog.database.tables import files
from tests.behaviour.faces import Face, Facts
from tests.binning import Binning
from tests.builders import ADDED, BuiltArchive

PATIENCE = 5.0

STUDY = "2008-0003"
SERIES = f"{STUDY}/E001/003_DCM_MR_t1_mprage"
ODD = f"{STUDY}/E001/004_DCM_MR_tête_#1+2;a=b&c[d]'é"
LONG = f"{STUDY}/E001/{'005_RESULT_' + 'x' * 244}"
BIG_FOLDER = f"{STUDY}/E002/001_MR_RAW"
BIG_FOLDER_FILES = 2500
ACQUIRED = 1_234_567_890
BEFORE_1970 = -86_400
BIG = random.Random(2).randbytes(3_000_001)
RESULT = f"{STUDY}/E001/003_RESULT_segmentation"
MANY_IN_RESULT = 1500
SLICES = {f"{number:05d}.dcm": bytes([number]) * (100 * number) for number in range(1, 21)}
# What anna sees: studies, exams, series, folders of the result; files of the series, those of the result.
FOLDERS = 2 + 2 + 5 + 8
FILES = BIG_FOLDER_FILES + len(SLICES) + 4 + MANY_IN_RESULT + 5


def fill(built: BuiltArchive) -> BuiltArchive:
    """Put the suite's studies into an archive: anna sees two, ben one of them, nobody the third."""
    for login in ("anna", "ben"):
        built.user(login)
    for code in (STUDY, "2010-A.7", "SECRET"):
        built.study(code)
    for login, code in (("anna", STUDY), ("anna", "2010-A.7"), ("ben", STUDY)):
        built.grant(login, code)
    built.add_series(SERIES, SLICES, mtime=ACQUIRED)
    built.add_series(ODD, {"00001.dcm": BIG, "Upper Case.TXT": b"text", "leer.bin": b""}, mtime=BEFORE_1970)
    built.add_series(LONG, {"n" * 251 + ".dcm": b"long"})
    add_many(built, BIG_FOLDER, (f"{number:05d}.raw" for number in range(1, BIG_FOLDER_FILES + 1)))
    parts = {f"parts/{number:04d}.csv": b"%d" % number for number in range(MANY_IN_RESULT)}
    deep = {f"parts/{number:04d}x/Left/areas.csv": b"deep" for number in range(3)}
    built.add_series(RESULT, {"readme.txt": b"read me", "Zones/a.nii": b"zones", **parts, **deep})
    built.add_series("SECRET/E001/001_DCM_MR_x", {"00001.dcm": b"secret"})
    return built


def add_many(built: BuiltArchive, series: str, names: Iterable[str]) -> None:
    """Add a series of many files with the same bytes: rows alone, which is quick."""
    first, *others = names
    row = built.add_series(series, {first: b"the same"})
    found = built.database.row(sa.select(files).where(files.c.series_id == row))
    assert found is not None
    same = {column: value for column, value in found._mapping.items() if column not in {"id", "name_key", "name"}}
    with built.database.write() as connection:
        connection.execute(files.insert(), [same | {"name_key": name} for name in others])


def eventually(condition: Callable[[], bool]) -> bool:
    """Whether the condition comes true within `PATIENCE`: for changes that no event announces to a reader."""
    until = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > until:
            return False
        time.sleep(0.05)
    return True


class ReadingSuite:
    """The tests. A subclass gives the fixture `face`: anna's archive in `filled`."""

    ignores_case = False
    """Whether the face finds a name that is spelled in another case."""

    @pytest.fixture
    def filled(self, built: BuiltArchive) -> BuiltArchive:
        return fill(built)

    def test_the_root_lists_the_granted_studies(self, face: Face) -> None:
        assert sorted(face.names("")) == [STUDY, "2010-A.7"]
        assert face.stat("").is_folder

    def test_folders_list_what_is_in_them(self, face: Face) -> None:
        assert sorted(face.names(STUDY)) == ["E001", "E002"]
        assert {name[:4] for name in face.names(f"{STUDY}/E001")} == {"003_", "004_", "005_"}
        assert sorted(face.names(SERIES)) == sorted(SLICES)

    def test_a_study_without_exams_is_an_empty_folder(self, face: Face) -> None:
        assert face.names("2010-A.7") == []

    def test_a_large_folder_lists_each_name_once(self, face: Face) -> None:
        names = face.names(BIG_FOLDER)
        assert len(names) == BIG_FOLDER_FILES
        assert set(names) == {f"{number:05d}.raw" for number in range(1, BIG_FOLDER_FILES + 1)}

    def test_a_result_is_a_tree_of_any_depth(self, face: Face) -> None:
        assert sorted(face.names(RESULT)) == ["Zones", "parts", "readme.txt"]
        within = face.names(f"{RESULT}/parts")
        assert sorted(within) == sorted(
            [*(f"{number:04d}.csv" for number in range(MANY_IN_RESULT)), *(f"{number:04d}x" for number in range(3))]
        )
        assert face.names(f"{RESULT}/parts/0001x") == ["Left"]
        assert face.names(f"{RESULT}/parts/0001x/Left") == ["areas.csv"]
        assert face.read(f"{RESULT}/parts/0001x/Left/areas.csv") == b"deep"
        assert face.read(f"{RESULT}/parts/0042.csv") == b"42"
        assert face.stat(f"{RESULT}/parts").is_folder
        assert face.stat(f"{RESULT}/Zones/a.nii") == Facts(is_folder=False, size=5, mtime=ADDED)
        for path in ("parts/Left", "parts/0001x/areas.csv", "0042.csv", "parts/0042.csv/x"):
            assert not face.exists(f"{RESULT}/{path}")
        for path in ("zones", "Zones/A.nii"):
            assert face.exists(f"{RESULT}/{path}") is self.ignores_case

    def test_facts_of_folders_and_files(self, face: Face) -> None:
        assert face.stat(SERIES).is_folder
        assert face.stat(SERIES).mtime == ADDED, "when something appeared in it"
        assert face.stat(f"{SERIES}/00007.dcm") == Facts(is_folder=False, size=700, mtime=ACQUIRED)
        assert face.stat(f"{BIG_FOLDER}/00001.raw").mtime == ADDED
        assert face.stat(f"{ODD}/leer.bin") == Facts(is_folder=False, size=0, mtime=BEFORE_1970)

    def test_bytes_are_what_was_published(self, face: Face) -> None:
        for name, content in SLICES.items():
            assert face.read(f"{SERIES}/{name}") == content
        assert face.read(f"{ODD}/leer.bin") == b""
        assert face.read(f"{ODD}/00001.dcm") == BIG

    @pytest.mark.parametrize(
        ("offset", "length"), [(0, 1), (1, 1), (131_071, 2), (1_048_575, 1_048_578), (2_999_999, 2), (3_000_000, 1)]
    )
    def test_any_part_of_a_file_can_be_read(self, face: Face, offset: int, length: int) -> None:
        assert face.read(f"{ODD}/00001.dcm", offset, length) == BIG[offset : offset + length]

    def test_the_last_bytes_end_where_the_file_ends(self, face: Face) -> None:
        assert face.read(f"{ODD}/00001.dcm", len(BIG) - 10, 100) == BIG[-10:]

    def test_odd_and_long_names(self, face: Face) -> None:
        assert sorted(face.names(ODD)) == ["00001.dcm", "Upper Case.TXT", "leer.bin"]
        assert face.read(f"{ODD}/Upper Case.TXT") == b"text"
        (name,) = face.names(LONG)
        assert face.read(f"{LONG}/{name}") == b"long"

    @pytest.mark.parametrize(
        "path",
        ["nothing", f"{STUDY}/E9", f"{STUDY}/E001/nothing", f"{SERIES}/99999.dcm", f"{SERIES}/00001.dcm/below", "n" * 255],
    )
    def test_what_is_not_there_is_not_found(self, face: Face, path: str) -> None:
        assert not face.exists(path)
        with pytest.raises(FileNotFoundError):
            face.stat(path)

    @pytest.mark.parametrize("path", [f"{SERIES}/00001.DCM", f"{STUDY}/e001"])
    def test_a_name_in_another_case(self, face: Face, path: str) -> None:
        assert face.exists(path) is self.ignores_case

    def test_what_is_not_granted_is_not_found(self, face: Face) -> None:
        for path in ("SECRET", "SECRET/E001", "SECRET/E001/001_DCM_MR_x", "SECRET/E001/001_DCM_MR_x/00001.dcm"):
            assert not face.exists(path)
            with pytest.raises(FileNotFoundError):
                face.stat(path)
        with pytest.raises(FileNotFoundError):
            face.names("SECRET")
        with pytest.raises(FileNotFoundError):
            face.read("SECRET/E001/001_DCM_MR_x/00001.dcm")

    def test_a_file_lists_nothing(self, face: Face) -> None:
        with pytest.raises(NotADirectoryError):
            face.names(f"{SERIES}/00001.dcm")

    def test_what_is_published_later_appears(self, face: Face, filled: BuiltArchive) -> None:
        assert sorted(face.names(SERIES)) == sorted(SLICES)
        assert not face.exists(f"{SERIES}/00021.dcm")
        filled.add_series(SERIES, {"00021.dcm": b"late"})
        assert eventually(lambda: "00021.dcm" in face.names(SERIES))
        assert eventually(lambda: face.exists(f"{SERIES}/00021.dcm"))
        assert face.read(f"{SERIES}/00021.dcm") == b"late"

    def test_what_is_binned_is_gone_and_comes_back(self, face: Face, filled: BuiltArchive) -> None:
        first, series = SERIES.rsplit("/", 1)
        assert face.read(f"{SERIES}/00001.dcm") == SLICES["00001.dcm"]
        entry = Binning(filled).put(SERIES)
        assert eventually(lambda: not face.exists(SERIES))
        assert eventually(lambda: series not in face.names(first))
        with pytest.raises(FileNotFoundError):
            face.read(f"{SERIES}/00002.dcm")
        Binning(filled).restore(entry.id)
        assert eventually(lambda: face.exists(SERIES))
        assert sorted(face.names(SERIES)) == sorted(SLICES)
        assert face.read(f"{SERIES}/00002.dcm") == SLICES["00002.dcm"]

    def test_a_grant_that_is_gone_takes_the_study_along(self, face: Face, filled: BuiltArchive) -> None:
        assert face.read(f"{SERIES}/00001.dcm") == SLICES["00001.dcm"]
        filled.revoke("anna", STUDY)
        assert eventually(lambda: face.names("") == ["2010-A.7"])
        assert eventually(lambda: not face.exists(f"{SERIES}/00001.dcm"))
        assert eventually(lambda: not face.exists(STUDY))
        with pytest.raises(FileNotFoundError):
            face.read(f"{SERIES}/00002.dcm")

    def test_many_readers_at_once(self, face: Face) -> None:
        def reads_right(number: int) -> bool:
            name, content = list(SLICES.items())[number % len(SLICES)]
            offset = number * 7919 % len(BIG)
            return (
                face.read(f"{SERIES}/{name}") == content
                and face.read(f"{ODD}/00001.dcm", offset, 5000) == BIG[offset : offset + 5000]
                and len(face.names(SERIES)) == len(SLICES)
            )

        with ThreadPoolExecutor(8) as pool:
            assert all(pool.map(reads_right, range(160)))
