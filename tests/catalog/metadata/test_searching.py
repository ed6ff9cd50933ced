"""Whatever a question is, the database answers what asking every file one by one would, on both databases."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from catalog.database.tables import fields, files, series, series_columns, series_values
from catalog.metadata import keeping, known, searching, upkeep
from catalog.pure.errors import Invalid
from catalog.pure.query import And, Compare, Has, In, Like, Node, Not, Or, QueryField, Value, matches, parse
from tests.builders import BuiltArchive

STUDY = "2008-0003"
NUMBERS = [1.0, 2.0, 2.5, 80.0]
TEXTS = ["a", "A", "ab", "b%", "Ä_", "x\\1", "1\\2", "1.0\\2", "2\\1", "a\\a"]
METADATA: dict[str, list[float | str]] = {
    "EchoTime": [*NUMBERS],
    "Rows": [*NUMBERS],
    "Manufacturer": [*TEXTS],
    "PixelSpacing": [*NUMBERS, "1\\2", "2.50\\2.5"],
    "(0019,xx0C)@SIEMENS MR HEADER": [*NUMBERS, *TEXTS],
}


@dataclass
class Filled:
    built: BuiltArchive
    truth: dict[str, dict[str, Value]] = field(default_factory=dict)
    count: Iterator[int] = field(default_factory=itertools.count)

    def add(self, path: str, told: list[dict[str, Value]]) -> int:
        """Add files to a series, with what they tell."""
        names = [f"{next(self.count):05d}.dcm" for _ in told]
        row = self.built.add_series(path, {name: name.encode() * (1 + len(self.truth) % 3) for name in names})
        database = self.built.database
        listed = database.rows(
            sa.select(files.c.id, files.c.name_key, files.c.size, files.c.added).where(files.c.series_id == row)
        )
        rows = {each.name_key: each for each in listed}
        with database.write() as connection:
            known = dict(sorted((rows[name].id, each) for name, each in zip(names, told, strict=True)))
            keeping.keep(connection, row, list(known), keeping.prepare(known.values()))
        study, exam, name = path.split("/")
        about = database.row(sa.select(series.c.number, series.c.description, series.c.file_type).where(series.c.id == row))
        assert about is not None
        for name_, values in zip(names, told, strict=True):
            self.truth[f"{path}/{name_}"] = {
                "study": study, "exam": exam, "series": name, "file_type": about.file_type, "SeriesNumber": float(about.number),
                "SeriesDescription": about.description or None, "size": float(rows[name_].size), "acquired": None,
                "added": float(rows[name_].added), **{key: value for key, value in values.items() if value is not None},
            }  # fmt: skip
        return row

    def ask(self, question: Node | str) -> set[str]:
        node = parse(question, known.known()) if isinstance(question, str) else question
        found = searching.search(self.built.database, self.user, node, with_files=True)
        return {f"{one.study}/{one.exam}/{one.name}/{file.name}" for one in found for file in one.chosen}

    def expected(self, question: Node | str) -> set[str]:
        node = parse(question, known.known()) if isinstance(question, str) else question
        return {path for path, values in self.truth.items() if path.startswith(STUDY) and matches(node, values)}

    @property
    def user(self) -> int:
        found = self.built.database.row(sa.text("select id from users where login = 'ada'"))
        assert found is not None
        return int(found[0])


@pytest.fixture
def filled(built_anywhere: BuiltArchive) -> Filled:
    built_anywhere.user("ada")
    for code in (STUDY, "secret"):
        built_anywhere.study(code)
    built_anywhere.grant("ada", STUDY)
    return Filled(built_anywhere)


SAMPLE: list[tuple[str, list[dict[str, Value]]]] = [
    ("E001/001_DCM_MR_localizer", [{"EchoTime": 1.0, "Rows": 2.0, "Manufacturer": "a"}] * 3),
    ("E001/002_DCM_MR_echo", [{"EchoTime": time, "Rows": 2.0, "Manufacturer": "A"} for time in NUMBERS]),
    ("E001/003_DCM_CT_b%", [{"Rows": 80.0}, {"Rows": 80.0, "Manufacturer": "ab"}, {"Manufacturer": "Ä_"}]),
    ("E002/001_NIFTI_anat", [{}]),
    ("E002/004_DCM_MR_mixed", [{"(0019,xx0C)@SIEMENS MR HEADER": value} for value in (1.0, "x\\1", None, "b%")]),
    ("E002/005_DCM_MR_text", [{"EchoTime": "1\\2", "Manufacturer": value} for value in ("a", "ab")]),
    ("E002/006_DCM_MR_same", [{"PixelSpacing": "1.0\\2", "Manufacturer": "a\\a"}] * 2),
    (
        "E002/007_DCM_MR_list",
        [{"PixelSpacing": "1\\2", "Manufacturer": "a\\ab"}, {"PixelSpacing": 2.5}, {"PixelSpacing": "2.5\\2.5"}],
    ),
    ("E002/008_DCM_MR_own", [{"(0019,xx0C)@SIEMENS MR HEADER": "1\\2.0"}] * 2),
]


@pytest.fixture
def sample(filled: Filled) -> Filled:
    for path, told in SAMPLE:
        filled.add(f"{STUDY}/{path}", told)
        filled.add(f"secret/{path}", told)
    filled.add(f"{STUDY}/E001/001_DCM_MR_localizer", [{"EchoTime": 1.0, "Rows": 2.0}, {"EchoTime": 2.5, "Rows": 2.0}])
    return filled


def _field(name: str) -> QueryField:
    found = known.find(name)
    assert found is not None
    return found


def _questions() -> st.SearchStrategy[Node]:
    of_series: dict[str, list[float | str]] = {
        "study": [STUDY, "secret", "a"],
        "exam": ["E001", "E002"],
        "file_type": ["DCM_MR", "NIFTI"],
        "SeriesDescription": ["echo", "", "b%"],
        "SeriesNumber": [1.0, 2.0, 3.0],
        "size": [9.0, 18.0],
    }

    def of(name: str, literals: list[float | str]) -> st.SearchStrategy[Node]:
        value, target = st.sampled_from(literals), st.just(_field(name))
        operators = st.sampled_from(["=", "!=", "<", "<=", ">", ">="])
        patterns = st.sampled_from(["a", "A%", "%", "_", "%\\%", "ä_", "b%", "DCM\\_%", "x\\1"])
        return (
            st.builds(Compare, target, operators, value)
            | st.builds(In, target, st.lists(value, min_size=1, max_size=3).map(tuple))
            | st.builds(Like, target, patterns, st.booleans())
            | st.builds(Has, target)
        )

    return st.recursive(
        st.one_of([of(name, literals) for name, literals in (METADATA | of_series).items()]),
        lambda inner: (
            st.builds(Not, inner)
            | st.builds(And, st.lists(inner, min_size=2, max_size=3).map(tuple))
            | st.builds(Or, st.lists(inner, min_size=2, max_size=3).map(tuple))
        ),
        max_leaves=6,
    )


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(question=_questions())
def test_the_answer_is_what_every_file_would_say(sample: Filled, question: Node) -> None:
    assert sample.ask(question) == sample.expected(question)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(question=_questions())
def test_an_index_changes_no_answer(sample: Filled, question: Node) -> None:
    for name in METADATA:
        upkeep.make_index(sample.built.database, name)
    assert sample.ask(question) == sample.expected(question)


def test_an_index_is_used(sample: Filled) -> None:
    database = sample.built.database
    assert upkeep.make_index(database, "EchoTime")
    assert not upkeep.make_index(database, "EchoTime"), "it is there already"
    if database.is_sqlite:
        statement = searching.translate(database, parse("EchoTime > 2.5", known.known())).params(user=1)
        text = str(statement.compile(dialect=database.engine.dialect, compile_kwargs={"literal_binds": True}))
        plan = database.rows(sa.text("explain query plan " + text))
        assert any("ix_series_values_field" in row[3] for row in plan)
    with pytest.raises(Invalid, match="no metadata are kept under the name Rowz"):
        upkeep.make_index(database, "Rowz")


def test_only_what_is_granted(sample: Filled) -> None:
    assert sample.ask('study = "secret"') == set()
    assert sample.ask("not (Rows > 0 and not Rows > 0)") == {path for path in sample.truth if path.startswith(STUDY)}
    sample.built.revoke("ada", STUDY)
    assert sample.ask("Rows > 0 or not Rows > 0") == set()


def test_values_go_to_the_database_as_values(sample: Filled) -> None:
    for evil in ("' or 1=1 --", '"; drop table files; --', "%' or '1'='1", "\\", "a\\'", ":user", "%(user)s"):
        for way in ("=", "like", "~", ">"):
            quoted = evil.replace("'", "''")
            question = f"Manufacturer {way} '{quoted}' or study {way} '{quoted}'"
            assert sample.ask(question) == sample.expected(question)
    assert len(sample.built.database.rows(sa.select(files.c.id))) == len(sample.truth)


def test_a_field_is_called_by_one_name_however_a_profile_calls_it(filled: Filled) -> None:
    """By its tag, or the digits of a private element in small letters."""
    told: list[dict[str, Value]] = [{"(0018,1060)": 20.0, "(0019,xx0c)@SIEMENS MR HEADER": 1000.0}]
    filled.add(f"{STUDY}/E001/001_DCM_MR_cine", told)
    for question in ("TriggerTime = 20", "`(0018,1060)` = 20", "`(0019,XX0c)@SIEMENS MR HEADER` = 1000"):
        assert len(filled.ask(question)) == 1, question
    assert {each.name for each in filled.built.database.rows(sa.select(fields.c.name))} == {
        "TriggerTime", "(0019,xx0C)@SIEMENS MR HEADER",
    }  # fmt: skip


def test_a_found_series_tells_its_metadata(sample: Filled) -> None:
    node = parse('EchoTime >= 80 and Manufacturer = "A"', known.known())
    (found,) = searching.search(sample.built.database, sample.user, node)
    assert (found.study, found.exam, found.name, found.files) == (STUDY, "E001", "002_DCM_MR_echo", 1)
    assert found.metadata == {"EchoTime": searching.Range(1.0, 80.0), "Manufacturer": "A", "Rows": 2}
    assert found.chosen == []


def test_files_that_are_gone_are_no_answer(sample: Filled) -> None:
    database = sample.built.database
    with database.write() as connection:
        gone = sa.select(files.c.id).join(series, series.c.id == files.c.series_id).where(series.c.name == "002_DCM_MR_echo")
        first = connection.execute(gone.order_by(files.c.id).limit(1)).scalar_one()
        connection.execute(files.delete().where(files.c.id == first))
    for path, values in list(sample.truth.items()):
        if values["series"] == "002_DCM_MR_echo" and values["EchoTime"] == 1.0 and path.startswith(STUDY):
            del sample.truth[path]
    for question in ("EchoTime = 1", "EchoTime > 1", "not EchoTime = 1"):
        assert sample.ask(question) == sample.expected(question)


def test_what_is_the_same_in_all_files_is_kept_once(sample: Filled) -> None:
    database = sample.built.database
    name = sa.select(series.c.id).where(series.c.name == "002_DCM_MR_echo").limit(1).scalar_subquery()
    packed = database.row(sa.select(series_columns.c.packed).where(series_columns.c.series_id == name))
    assert packed is not None
    spread = [row.spread for row in database.rows(sa.select(series_values.c.spread).where(series_values.c.series_id == name))]
    assert sorted(spread) == [0, 0, 1]
    none = sa.select(series.c.id).where(series.c.name == "001_NIFTI_anat").limit(1).scalar_subquery()
    assert database.row(sa.select(series_columns.c.packed).where(series_columns.c.series_id == none)) is None
