"""The catalogue with ten million file rows beside one with 100,000: bytes a file, look-up and listing through a view.

    nice .venv/bin/python -m benchmarks.catalogue [--rows 10000000] [--small 100000] [--folder /tmp] [--rounds 5]

Both catalogues are made anew on SQLite, in the tables that migrations make; `benchmarks/catalogue.md` has the figures.
No store is needed: a look-up and a listing read nothing but the catalogue.
"""

import argparse
import itertools
import os
import random
import shutil
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from catalog.database import Database, migrate
from catalog.metadata.columns import Columns, pack, summary
from catalog.metadata.upkeep import make_index
from catalog.pure.access import Principal, Role
from catalog.pure.names import file_name, folded, series_name
from catalog.pure.nodes import Kind, NodeId
from catalog.store.local import LocalStore
from catalog.view import Archive, View

STUDIES = 116
EXAM_FILES = 1000  # the reference site: 10,000 exams, 10,000,000 files
LISTED = (1_000, 20_000)
LOOKUPS = 20_000
STARTED = 1_200_000_000
CHUNK = 50_000
ADA = 1

# What one exam holds: modality, description, how many files; some 1,000 in all, drawn anew for each exam.
PROTOCOL = (
    ("MR", "localizer", (3, 9)),
    ("MR", "t1_mprage_sag_iso", (160, 208)),
    ("MR", "t2_flair_tra", (24, 48)),
    ("MR", "ep2d_diff_64dir", (300, 420)),
    ("MR", "ep2d_bold_rest", (200, 300)),
    ("MR", "t2_blade_cor", (20, 40)),
    ("CT", "Thorax  1.0  B30f", (60, 180)),
    ("PT", "PET AC", (40, 110)),
    ("SR", "", (1, 2)),
)

FILES = (
    "insert into files (series_id, name_key, name, size, sha256, identity, acquired, added, batch_id)"
    " values (?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
SERIES = (
    "insert into series (exam_id, study_id, number, file_type, description, identity, name, name_key, acquired, added)"
    " values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) returning id"
)


VALUES = "insert into series_values (series_id, field_id, spread, low, high, text) values (?, ?, ?, ?, ?, ?)"
# Asked of the whole catalogue, as the first page of answers; the last is asked again when its field has an index.
QUESTIONS = (
    'file_type = "DCM_MR" and EchoTime > 0.08 s and study = "2005-0005"',
    'SeriesDescription ~ "diff" and InstanceNumber = 7 and DiffusionBValue > 900',
    "EchoTime > 118 ms",
)
FIRST = 100


@dataclass(frozen=True)
class Catalogue:
    """A catalogue that is filled: `series` are rows and how many files each has; `listed` one series for each of LISTED."""

    path: Path
    rows: int
    seconds: float
    series: Sequence[tuple[int, int]]
    listed: Sequence[int]

    @property
    def bytes_a_file(self) -> float:
        return self.path.stat().st_size / self.rows


class Generator:
    """Fills a catalogue past the gate, in the order in which a publish job would."""

    def __init__(self, connection: sqlite3.Connection, seed: int) -> None:
        self._connection = connection
        self._random = random.Random(seed)
        self.series: list[tuple[int, int]] = []
        self.rows = 0

    def people_and_studies(self) -> None:
        execute = self._connection.execute
        execute(
            "insert into users (id, login, login_key, role, created) values (?, 'ada', 'ada', 'limited', ?)", (ADA, STARTED)
        )
        for number in range(1, STUDIES + 1):
            code = f"{2000 + number % 20}-{number:04d}"
            execute(
                "insert into studies (id, code, code_key, description, created) values (?, ?, ?, 'a protocol', ?)",
                (number, code, code, STARTED),
            )
            execute("insert into grants (user_id, study_id, granted) values (?, ?, ?)", (ADA, number, STARTED))

    def exam(self, number: int, wanted: Sequence[tuple[str, str, int]]) -> list[int]:
        """Make an exam of these series and return their rows."""
        study = number % STUDIES + 1
        added = STARTED + number * 20_000
        code = f"E{number:05d}"
        self._connection.execute(
            "insert into exams (id, study_id, code, code_key, acquired, added) values (?, ?, ?, ?, ?, ?)",
            (number, study, code, folded(code), added - 5_000_000, added),
        )
        rows = []
        for position, (modality, description, count) in enumerate(wanted, 1):
            acquired = added - 5_000_000 + position * 300
            name = series_name(position, f"DCM_{modality}", description)
            identity = self._random.randbytes(16)
            values = (number, study, position, f"DCM_{modality}", description, identity, name, folded(name), acquired, added)
            ((row,),) = self._connection.execute(SERIES, values).fetchall()
            self._connection.executemany(FILES, self._files(row, count, acquired, added, number))
            self._metadata(row, modality, description, count)
            self.series.append((row, count))
            self.rows += count
            rows.append(row)
        return rows

    def _metadata(self, row: int, modality: str, description: str, count: int) -> None:
        """What a publish job keeps of a series: some twenty values for all its files, and the columns that differ."""
        draw = self._random
        uid = f"2.25.{draw.getrandbits(128)}"
        same: dict[str, float | str] = {
            "Modality": modality, "SOPClassUID": "1.2.840.10008.5.1.4.1.1.4", "TransferSyntaxUID": "1.2.840.10008.1.2.1",
            "StudyInstanceUID": f"2.25.{row // 9}00000000000000000000000000000", "SeriesInstanceUID": uid,
            "StudyDate": f"20{draw.randint(10, 25)}0312", "ImageType": "ORIGINAL\\PRIMARY\\M\\ND", "Manufacturer": "SIEMENS",
            "ManufacturerModelName": "Prisma_fit", "ProtocolName": description, "Rows": 256.0, "Columns": 256.0,
            "BitsStored": 12.0, "PixelSpacing": "1\\1", "SliceThickness": 1.0, "EchoTime": draw.randint(200, 12000) / 100,
            "RepetitionTime": 2300.0, "FlipAngle": 9.0, "MagneticFieldStrength": 3.0, "EchoNumbers": 1.0,
            "ScanningSequence": "GR\\IR", "MRAcquisitionType": "3D",
        }  # fmt: skip
        names = [*same, "InstanceNumber", "DiffusionBValue"]
        for name in names:
            self._connection.execute("insert or ignore into fields (name, indexed) values (?, 0)", (name,))
        ids = {name: number for number, name in enumerate(names, 1)}
        first = self.rows + 1
        columns: dict[int, list[float | str | None]] = {
            ids["InstanceNumber"]: [float(number) for number in range(1, count + 1)]
        }
        if "diff" in description:
            columns[ids["DiffusionBValue"]] = [draw.choice((0.0, 700.0, 1000.0)) for _ in range(count)]
        found = {field: summary(column) for field, column in columns.items()}
        values = [
            (row, ids[name], 0, None if isinstance(value, str) else value, None if isinstance(value, str) else value,
             value if isinstance(value, str) else None)
            for name, value in same.items() if value != ""
        ]  # fmt: skip
        values += [(row, field, one.spread, one.low, one.high, one.text) for field, one in found.items() if one is not None]
        self._connection.executemany(VALUES, sorted(values))
        if count > 1:
            packed = pack(Columns(tuple(range(first, first + count)), columns))
            self._connection.execute("insert into series_columns (series_id, packed) values (?, ?)", (row, packed))

    def drawn(self) -> list[tuple[str, str, int]]:
        return [(modality, text, self._random.randint(*some)) for modality, text, some in PROTOCOL]

    def _files(self, series: int, count: int, acquired: int, added: int, batch: int) -> Iterator[tuple[object, ...]]:
        size = self._random.randint(40_000, 600_000)
        digests = self._random.randbytes(48 * count)
        for number in range(1, count + 1):
            at = 48 * number
            key = file_name(number, ".dcm")
            yield (
                series, key, None, size + number, digests[at - 48 : at - 16], digests[at - 16 : at], acquired + number, added,
                batch,
            )  # fmt: skip


def make(path: Path, rows: int, progress: Progress) -> Catalogue:
    """Make a catalogue of about that many file rows."""
    began = time.perf_counter()
    database = Database(f"sqlite:///{path}")
    migrate.upgrade(database)
    database.close()
    connection = sqlite3.connect(path, isolation_level=None)
    # Made once and thrown away: nothing here has to survive a power cut.
    connection.execute("pragma synchronous = off")
    connection.execute("pragma cache_size = -262144")
    generator = Generator(connection, rows)
    task = progress.add_task(f"{rows:,} rows", total=rows)
    connection.execute("begin")
    generator.people_and_studies()
    listed = generator.exam(1, [("MR", "listed", count) for count in LISTED])
    chunk = 0
    for number in itertools.count(2):
        if generator.rows >= rows:
            break
        generator.exam(number, generator.drawn())
        if generator.rows - chunk >= CHUNK:
            chunk = generator.rows
            connection.execute("commit")
            connection.execute("begin")
            progress.update(task, completed=chunk)
    connection.execute("commit")
    connection.execute("pragma wal_checkpoint(truncate)")
    connection.close()
    progress.update(task, completed=rows)
    return Catalogue(path, generator.rows, time.perf_counter() - began, generator.series, listed)


def look_up(view: View, catalogue: Catalogue) -> float:
    """Return microseconds a look-up of a random file by series and name."""
    choice = random.Random(7)
    series, counts = zip(*catalogue.series, strict=True)
    asked = [
        (NodeId(Kind.SERIES, series[index]), file_name(choice.randint(1, counts[index]), ".dcm"))
        for index in choice.choices(range(len(series)), counts, k=LOOKUPS)
    ]
    began = time.perf_counter()
    for parent, name in asked:
        view.lookup(parent, name)
    return (time.perf_counter() - began) / LOOKUPS * 1e6


def listing(view: View, row: int, count: int) -> float:
    """Return microseconds an entry of a whole listing."""
    began = time.perf_counter()
    found = sum(1 for _ in view.walk(NodeId(Kind.SERIES, row)))
    seconds = time.perf_counter() - began
    if found != count:
        raise SystemExit(f"a listing gave {found} of {count} files")
    return seconds / count * 1e6


def question(view: View, text: str) -> float:
    """Return milliseconds until the first hundred series are there."""
    began = time.perf_counter()
    found = list(itertools.islice(view.search(text), FIRST))
    if not found:
        raise SystemExit(f"nothing answers {text}")
    return (time.perf_counter() - began) * 1e3


def measure(catalogues: Sequence[Catalogue], rounds: int, folder: Path) -> list[dict[str, float]]:
    """Return the median of the rounds for each catalogue; the catalogues take turns. A first round warms the page cache."""
    databases = [Database(f"sqlite:///{one.path}") for one in catalogues]
    views = [Archive(database, LocalStore(folder)).view(Principal(ADA, "ada", Role.LIMITED)) for database in databases]
    taken: list[dict[str, list[float]]] = [{} for _ in catalogues]
    for round_ in range(rounds + 1):
        for catalogue, view, figures in zip(catalogues, views, taken, strict=True):
            values = {"look-up": look_up(view, catalogue)}
            for row, count in zip(catalogue.listed, LISTED, strict=True):
                values[f"listing of {count:,}"] = listing(view, row, count)
            for text in QUESTIONS:
                values[text] = question(view, text)
            if round_:
                for name, value in values.items():
                    figures.setdefault(name, []).append(value)
    for database, view, figures in zip(databases, views, taken, strict=True):
        make_index(database, "EchoTime")
        figures[f"{QUESTIONS[-1]}, indexed"] = [question(view, QUESTIONS[-1]) for _ in range(rounds)]
        database.close()
    return [{name: statistics.median(values) for name, values in figures.items()} for figures in taken]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=10_000_000, help="file rows of the large catalogue")
    parser.add_argument("--small", type=int, default=100_000, help="file rows of the small one")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()), help="where both are made: 2 GB")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    console = Console()
    folder = Path(tempfile.mkdtemp(prefix="archimed-catalogue-", dir=options.folder))
    try:
        with Progress(console=console) as progress:
            both = [make(folder / f"{rows}.db", rows, progress) for rows in (options.small, options.rows)]
        small, large = measure(both, options.rounds, folder)
        report(console, both, small, large)
    finally:
        shutil.rmtree(folder)


def report(console: Console, both: Sequence[Catalogue], small: dict[str, float], large: dict[str, float]) -> None:
    table = Table(title=f"SQLite {sqlite3.sqlite_version}, SQLAlchemy {sa.__version__}, {os.cpu_count()} cores")
    for name in ("", *(f"{one.rows:,} rows" for one in both), "growth", "aim"):
        table.add_column(name, justify="right" if name else "left")
    bytes_small, bytes_large = (one.bytes_a_file for one in both)
    table.add_row("made, s", *(f"{one.seconds:.0f}" for one in both), "", "")
    table.add_row("bytes a file", f"{bytes_small:.1f}", f"{bytes_large:.1f}", f"{bytes_large / bytes_small:.2f}", "200")
    for name, figure in small.items():
        per = "us" if name == "look-up" else "us an entry" if name.startswith("listing") else "ms"
        aim = "100, growth 1.3" if name == "look-up" else "growth 1.3" if name.startswith("listing") else ""
        growth = f"{large[name] / figure:.2f}"
        table.add_row(f"{name}, {per}", f"{figure:.1f}", f"{large[name]:.1f}", growth, aim)
    console.print(table)


if __name__ == "__main__":
    main()
