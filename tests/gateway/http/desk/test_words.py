"""Plain words: nothing that steers a page, nothing lost, nothing that speaks of commands."""

from hypothesis import given
from hypothesis import strategies as st

from catalog.pure.batches import State
from catalog.pure.checks import Severity
from catalog.pure.checks.run import RULES
from gateway.http.desk import words

FINDINGS = st.lists(
    st.fixed_dictionaries(
        {
            "check": st.sampled_from(["readable", "gaps", "a site's own"]),
            "severity": st.sampled_from([str(one) for one in Severity]),
            "message": st.sampled_from(["a", "b", "accept it with --despite REASON"]),
            "file": st.none() | st.integers(1, 99),
            "series": st.sampled_from(["", "3"]),
        }
    ),
    max_size=60,
)


@given(st.text(st.characters(codec=None)))
def test_what_is_shown_steers_nothing(text: str) -> None:
    shown = words.plain(text)
    assert len(shown) == len(text)
    assert all(c.isprintable() or c in "\n\t" for c in shown)
    shown.encode()


@given(FINDINGS)
def test_grouping_loses_nothing(findings: list[dict[str, object]]) -> None:
    groups = words.grouped(findings)  # type: ignore[arg-type] # as JSON gives them
    named = sum(len(said.files) + said.more for group in groups for said in group.said)
    assert named == sum(finding["file"] is not None for finding in findings)
    assert {(group.check, group.severity) for group in groups} == {(one["check"], one["severity"]) for one in findings}
    order = [list(Severity).index(group.severity) for group in groups]
    assert order == sorted(order)
    assert sum(count for _, count in words.severities(findings)) == len(findings)  # type: ignore[arg-type] # likewise


@given(st.integers(0, 1 << 40), st.integers(0, 1 << 40))
def test_every_time_has_words(then: int, now: int) -> None:
    assert words.ago(then, now)


def test_times_and_sizes() -> None:
    assert [words.ago(0, now) for now in (59, 60, 3599, 3600, 47 * 3600, 49 * 3600)] == [
        "just now", "1 min ago", "59 min ago", "1 h ago", "47 h ago", "2 days ago",
    ]  # fmt: skip
    assert words.moment(0) == "1970-01-01 00:00 UTC"
    assert [words.size(count) for count in (0, 999, 1500, 250_000_000, 10**16)] == [
        "0 bytes", "999 bytes", "1.5 kB", "250 MB", "10000.0 TB",
    ]  # fmt: skip


def test_every_state_severity_and_rule_has_words() -> None:
    assert set(words.STATES) == set(State)
    assert set(words.SEVERITIES) == set(words.MEANINGS) == set(Severity)
    assert {rule.name for rule in RULES} <= set(words.TITLES)
