"""Results are archived as they are, after a look: what may say who it is needs the word of the one who accepts it."""

import json

from catalog.database.tables import studies
from catalog.gate.drops.inbox import Inbox
from catalog.pure.batches import State
from tests.catalog.gate.conftest import STUDY, Gate, put

SEG = "003_RESULT_seg"
FILES = {"areas.csv": b"region,area\ncuneus,7.5\n", "t1.json": json.dumps({"PatientName": "Muster^Hans"}).encode()}
PROFILE = 'schema = 1\nstandard = "2026c"\n[expect]\nresults = "hold"\n'


def brought(gate: Gate, inbox: Inbox) -> int:
    for name, content in FILES.items():
        put(inbox, f"{SEG}/{name}", content)
    batch = inbox.batch((STUDY, "E001"))
    gate.review.seal(batch)
    gate.work()
    return batch


def accepted(gate: Gate, batch: int, attest: str) -> list[str]:
    gate.review.accept(batch, STUDY, "E001", attest=attest)
    gate.work()
    return gate.names(f"{STUDY}/E001/{SEG}")


def test_what_may_say_who_it_is_waits_for_somebodys_word(gate: Gate, inbox: Inbox) -> None:
    batch = brought(gate, inbox)
    (told,) = [finding for finding in gate.review.info(batch).findings if finding["check"] == "result_tells"]
    assert "--attest REASON" in told["message"]
    assert "PatientName" in told["message"]
    assert "Muster" not in str(told)
    assert accepted(gate, batch, "") == ["areas.csv"]
    rest = gate.review.list()[-1]
    assert (rest.state, rest.files) == (State.CHECKED, 1)
    assert accepted(gate, rest.id, "a phantom's name") == ["areas.csv", "t1.json"]


def test_a_study_can_have_such_results_held_but_for_a_word_on_each(gate: Gate, inbox: Inbox) -> None:
    with gate.database.write() as connection:
        connection.execute(studies.update().where(studies.c.code == STUDY).values(profile=PROFILE))
    batch = brought(gate, inbox)
    assert accepted(gate, batch, "all of them") == ["areas.csv"]
    assert accepted(gate, gate.review.list()[-1].id, "this one: a phantom's name") == ["areas.csv", "t1.json"]
