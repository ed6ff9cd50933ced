"""The memory of wrong passwords that worker processes share: a directory's own rule, with a smaller budget."""

import os

import pytest

from gateway.credentials.failures import Failures, Limits, Verdict


class Clock:
    def __init__(self) -> None:
        self.time = 1000.0

    def __call__(self) -> float:
        return self.time


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def failures(clock: Clock) -> Failures:
    return Failures(Limits(most=4, forget_seconds=1860, repeat_seconds=300), clock)


def ask(failures: Failures, secret: str, *, right: bool | None = False, login: str = "anna", address: str = "::1") -> Verdict:
    """Ask one question and, where the verdict is to ask, give the answer."""
    with failures.asking("ldap", login, failures.digest("ldap", login, secret), address) as question:
        verdict = question.may_be_asked(0)
        if verdict is Verdict.ASK and right is not None:
            question.answered(right=right)
    return verdict


def test_a_wrong_secret_is_not_asked_again_at_once(failures: Failures, clock: Clock) -> None:
    assert ask(failures, "old") is Verdict.ASK
    clock.time += 299
    assert ask(failures, "old") is Verdict.KNOWN
    clock.time += 2
    assert ask(failures, "old") is Verdict.ASK


def test_a_stale_drive_mapping_never_comes_near_a_lockout(failures: Failures, clock: Clock) -> None:
    # The directory forgets wrong passwords when none came for 30 minutes; the mapping asks every ten seconds for a day.
    counted = worst = 0
    last = 0.0
    for _ in range(8640):
        clock.time += 10
        if ask(failures, "old") is Verdict.ASK:
            counted = 1 if clock.time - last >= 1800 else counted + 1
            last, worst = clock.time, max(worst, counted)
    assert worst == 2


def test_a_stale_drive_mapping_leaves_room_for_the_new_password(failures: Failures, clock: Clock) -> None:
    for _ in range(200):
        clock.time += 10
        ask(failures, "old")
    assert ask(failures, "new", right=True, address="192.0.2.2") is Verdict.ASK


def test_the_budget_of_a_login_and_of_an_address(failures: Failures, clock: Clock) -> None:
    told = [ask(failures, str(number)) for number in range(5)]
    assert told == [Verdict.ASK] * 3 + [Verdict.SPENT] * 2
    assert ask(failures, "x", address="192.0.2.2") is Verdict.ASK
    assert ask(failures, "y", address="192.0.2.2") is Verdict.SPENT
    assert ask(failures, "z", login="ben") is Verdict.ASK
    clock.time += 1859
    assert ask(failures, "y") is Verdict.SPENT
    clock.time += 1
    assert ask(failures, "y") is Verdict.ASK


def test_a_right_one_forgets_the_wrong_ones(failures: Failures) -> None:
    assert ask(failures, "1") is ask(failures, "2") is Verdict.ASK
    assert ask(failures, "right", right=True) is Verdict.ASK
    assert [ask(failures, str(number)) for number in range(3)] == [Verdict.ASK] * 3


def test_no_answer_counts_for_nothing(failures: Failures) -> None:
    for _ in range(20):
        assert ask(failures, "x", right=None) is Verdict.ASK


def test_one_secret_is_asked_once_at_a_time(failures: Failures, clock: Clock) -> None:
    with failures.asking("ldap", "anna", failures.digest("x"), "::1") as first:
        assert first.may_be_asked(0) is Verdict.ASK
        with failures.asking("ldap", "anna", failures.digest("x"), "::1") as second:
            assert second.may_be_asked(0) is Verdict.WAIT
            first.answered(right=False)
            assert second.may_be_asked(0) is Verdict.KNOWN
    clock.time += 5000


def test_a_process_that_died_while_asking_counts_as_wrong(failures: Failures, clock: Clock) -> None:
    failures.reserve(b"l" * 32, b"s" * 16, b"a" * 8)
    assert failures.reserve(b"l" * 32, b"s" * 16, b"a" * 8) is Verdict.WAIT
    clock.time += 61
    assert failures.reserve(b"l" * 32, b"s" * 16, b"a" * 8) is Verdict.KNOWN


def test_processes_share_it(failures: Failures) -> None:
    child = os.fork()
    if not child:
        for number in range(3):
            ask(failures, str(number))
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert ask(failures, "1") is Verdict.KNOWN
    assert ask(failures, "new") is Verdict.SPENT


def test_a_full_bucket_refuses_instead_of_forgetting(failures: Failures) -> None:
    in_one_bucket = [bytes([number]) * 8 + b"\0" * 24 for number in range(17)]
    verdicts = [failures.reserve(login, b"s" * 16, b"a" * 8) for login in in_one_bucket]
    assert verdicts == [Verdict.ASK] * 16 + [Verdict.SPENT]


def test_a_flood_of_strangers_crowds_out_strangers_alone() -> None:
    strangers = Failures(Limits(most=4), crowds_out=True)
    for number in range(70_000):  # more than there is room for
        assert strangers.reserve(strangers.digest(f"{number}"), b"wrong".ljust(16), b"::1".ljust(8)) is Verdict.ASK
    assert ask(strangers, "wrong") is Verdict.ASK
    assert ask(strangers, "wrong") is Verdict.KNOWN


def test_nothing_readable_is_kept(failures: Failures) -> None:
    ask(failures, "hunter2-hunter2", login="annabella")
    kept = failures._memory[:]
    assert b"hunter2" not in kept
    assert b"anna" not in kept
    assert any(kept)
