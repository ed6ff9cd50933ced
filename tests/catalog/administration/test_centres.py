"""Centres of studies: who sees what of them, against a model; what a grant that ends, widens or narrows announces."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from catalog import administration, changes, clock
from catalog.administration import add_centre, add_grant, assign, list_centres, list_grants, remove_centre, remove_grant
from catalog.audit import entries
from catalog.changes import ChangeKind
from catalog.database.tables import grants
from catalog.metadata import known
from catalog.metadata.searching import search
from catalog.pure.access import Principal
from catalog.pure.errors import Conflict, Invalid, NotFound, Refused
from catalog.pure.nodes import ROOT_ID
from catalog.pure.query import parse
from tests.builders import BuiltArchive, built_in
from tests.catalog.administration.conftest import ROOT

STUDY = "2008-0003"
CENTRES = ("LYON", "PARIS")
EXAMS = ("E001", "E002", "E003")


def filled(built: BuiltArchive) -> BuiltArchive:
    """Give an archive with a study of two centres, of which E001 and E002 are one each, and E003 is of none."""
    built.study(STUDY)
    for exam in EXAMS:
        built.add_series(f"{STUDY}/{exam}/001_DCM_MR_t1", {"00001.dcm": exam.encode()})
    for centre, exam in zip(CENTRES, EXAMS, strict=False):
        add_centre(built.database, ROOT, STUDY, centre)
        assign(built.database, ROOT, STUDY, centre, exam_codes=[exam])
    return built


@pytest.fixture
def of_centres(built: BuiltArchive) -> BuiltArchive:
    return filled(built)


def seen(built: BuiltArchive, user: Principal) -> set[str]:
    """Return the exams that a user sees, by every way of looking."""
    view = built.archive.view(user)
    listed = {exam.name for study in view.children(ROOT_ID) for exam in view.children(study.id)}
    resolved = set()
    for exam in EXAMS:
        try:
            file = view.resolve(f"{STUDY}/{exam}/001_DCM_MR_t1/00001.dcm")
        except NotFound:
            continue
        view.open(file.id).close()
        resolved.add(exam)
    found = {one.exam for one in search(built.database, user.user_id, parse("size >= 0", known.known()), with_files=False)}
    assert listed == resolved == found
    return listed


def ends(built: BuiltArchive, until: int) -> None:
    with built.database.write() as connection:
        connection.execute(grants.update().values(until=until))


def test_a_grant_of_centres_shows_their_exams_alone(of_centres: BuiltArchive) -> None:
    ada = of_centres.user("ada")
    add_grant(of_centres.database, ROOT, "ada", STUDY, centres=["lyon"])
    assert seen(of_centres, ada) == {"E001"}
    add_grant(of_centres.database, ROOT, "ada", STUDY, centres=["PARIS"])
    assert seen(of_centres, ada) == {"E001", "E002"}
    add_grant(of_centres.database, ROOT, "ada", STUDY)
    assert seen(of_centres, ada) == set(EXAMS)
    for again in ((), ("LYON",)):
        with pytest.raises(Conflict, match="already"):
            add_grant(of_centres.database, ROOT, "ada", STUDY, centres=again)


def test_who_has_no_exam_of_a_study_sees_its_folder_empty(of_centres: BuiltArchive) -> None:
    ada = of_centres.user("ada")
    add_grant(of_centres.database, ROOT, "ada", STUDY, centres=["LYON"])
    assign(of_centres.database, ROOT, STUDY, "PARIS", exam_codes=["E001"])
    assert seen(of_centres, ada) == set()
    assert [study.name for study in of_centres.archive.view(ada).children(ROOT_ID)] == [STUDY]


def test_taking_a_centre_back_narrows_and_the_last_one_revokes(of_centres: BuiltArchive) -> None:
    ada = of_centres.user("ada")
    add_grant(of_centres.database, ROOT, "ada", STUDY, centres=CENTRES)
    before = changes.newest(of_centres.database)
    remove_grant(of_centres.database, ROOT, "ada", STUDY, centres=["PARIS"])
    assert seen(of_centres, ada) == {"E001"}
    with pytest.raises(NotFound, match="no grant on PARIS"):
        remove_grant(of_centres.database, ROOT, "ada", STUDY, centres=["PARIS"])
    remove_grant(of_centres.database, ROOT, "ada", STUDY, centres=["LYON"])
    assert list_grants(of_centres.database) == []
    kinds = [change.kind for change in changes.since(of_centres.database, before)]
    assert kinds == [ChangeKind.NARROWED, ChangeKind.REVOKED]
    assert [entry.detail for entry in entries(of_centres.database)[-2:]] == [{"centres": ["PARIS"]}, {"centres": ["LYON"]}]


def test_an_exam_that_changes_its_centre_is_announced_to_who_loses_it_alone(of_centres: BuiltArchive) -> None:
    for login, centres in (("lyon", ["LYON"]), ("paris", ["PARIS"]), ("both", CENTRES), ("all", [])):
        of_centres.user(login)
        add_grant(of_centres.database, ROOT, login, STUDY, centres=centres)
    before = changes.newest(of_centres.database)
    assign(of_centres.database, ROOT, STUDY, "PARIS", exam_codes=["E001"])
    narrowed = [one.user_id for one in changes.since(of_centres.database, before) if one.kind is ChangeKind.NARROWED]
    assert narrowed == [administration.principal(of_centres.database, login).user_id for login in ("lyon", "both")]


def test_a_grant_ends_by_the_clock(of_centres: BuiltArchive) -> None:
    ada = of_centres.user("ada")
    add_grant(of_centres.database, ROOT, "ada", STUDY, until=clock.now() + 3600)
    assert seen(of_centres, ada) == set(EXAMS)
    now, over = changes.ended(of_centres.database, 0)
    assert over == []
    ends(of_centres, now)
    assert seen(of_centres, ada) == set()
    assert of_centres.archive.view(ada).children(ROOT_ID) == []
    (change,) = changes.ended(of_centres.database, now - 1)[1]
    assert (change.kind, change.user_id) == (ChangeKind.REVOKED, ada.user_id)
    assert changes.ended(of_centres.database, now)[1] == []
    with pytest.raises(Invalid, match="over already"):
        add_grant(of_centres.database, ROOT, "ada", STUDY, until=now)
    add_grant(of_centres.database, ROOT, "ada", STUDY, centres=["LYON"])
    assert seen(of_centres, ada) == {"E001"}


def test_a_centre_in_use_stays(of_centres: BuiltArchive) -> None:
    with pytest.raises(Refused, match="1 exams belong to LYON"):
        remove_centre(of_centres.database, ROOT, STUDY, "LYON")
    assign(of_centres.database, ROOT, STUDY, None, exam_codes=["E001"])
    remove_centre(of_centres.database, ROOT, STUDY, "LYON")
    assert [(centre.code, centre.exams) for centre in list_centres(of_centres.database, STUDY)] == [("PARIS", 1)]
    with pytest.raises(Conflict, match="a centre PARIS already"):
        add_centre(of_centres.database, ROOT, STUDY, "paris")


class Granting(RuleBasedStateMachine):
    """Grants, centres and ends in any order, beside a model that is a set of triples."""

    built: BuiltArchive
    users: list[Principal]

    @initialize()
    def begin(self) -> None:
        self.centre_of: dict[str, str | None] = {"E001": "LYON", "E002": "PARIS", "E003": None}
        for exam, centre in self.centre_of.items():
            assign(self.built.database, ROOT, STUDY, centre, exam_codes=[exam])
        self.granted: dict[str, set[str] | None] = {}
        for grant in list_grants(self.built.database):
            remove_grant(self.built.database, ROOT, grant.login, STUDY)

    @rule(who=st.integers(0, 1), named=st.sets(st.sampled_from(CENTRES)))
    def grant(self, who: int, named: set[str]) -> None:
        login = self.users[who].login
        has = self.granted.get(login, set())
        if login in self.granted and (has is None or (named and named <= has)):
            with pytest.raises(Conflict):
                add_grant(self.built.database, ROOT, login, STUDY, centres=sorted(named))
            return
        add_grant(self.built.database, ROOT, login, STUDY, centres=sorted(named))
        self.granted[login] = (has or set()) | named if named else None

    @rule(who=st.integers(0, 1), named=st.sets(st.sampled_from(CENTRES)))
    def take(self, who: int, named: set[str]) -> None:
        login = self.users[who].login
        has = self.granted.get(login, set())
        if login not in self.granted or (named and (has is None or not named <= has)):
            with pytest.raises(NotFound):
                remove_grant(self.built.database, ROOT, login, STUDY, centres=sorted(named))
            return
        remove_grant(self.built.database, ROOT, login, STUDY, centres=sorted(named))
        left = (has or set()) - named if named else set()
        if left:
            self.granted[login] = left
        else:
            del self.granted[login]

    @rule(exam=st.sampled_from(EXAMS), centre=st.sampled_from([*CENTRES, None]))
    def move(self, exam: str, centre: str | None) -> None:
        assign(self.built.database, ROOT, STUDY, centre, exam_codes=[exam])
        self.centre_of[exam] = centre

    @rule()
    def the_clock_ends_all(self) -> None:
        ends(self.built, changes.ended(self.built.database, 0)[0])
        self.granted.clear()
        self.everybody_sees_what_the_model_says()
        for grant in list_grants(self.built.database):
            remove_grant(self.built.database, ROOT, grant.login, STUDY)

    @invariant()
    def everybody_sees_what_the_model_says(self) -> None:
        if not hasattr(self, "granted"):
            return
        for user in self.users:
            has = self.granted.get(user.login, set())
            expected = {exam for exam, centre in self.centre_of.items() if has is None or (has and centre in has)}
            assert seen(self.built, user) == expected


@pytest.fixture(scope="module")
def shared() -> Iterator[BuiltArchive]:
    # In memory where there is such a folder: the machine commits hundreds of times.
    where = "/dev/shm" if Path("/dev/shm").is_dir() else None
    with tempfile.TemporaryDirectory(dir=where) as folder, built_in(Path(folder)) as built:
        yield filled(built)


def test_who_sees_what_is_what_the_model_says(shared: BuiltArchive) -> None:
    class Here(Granting):
        built, users = shared, [shared.user("ada"), shared.user("bob")]

    run_state_machine_as_test(
        Here,
        settings=settings(max_examples=8, stateful_step_count=10, deadline=None, suppress_health_check=list(HealthCheck)),
    )
