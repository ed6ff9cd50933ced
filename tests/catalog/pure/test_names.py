"""The laws of names: what every face, every system and every folder can take."""

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.pure.errors import Invalid
from catalog.pure.names import (
    BEHIND_ALL_NAMES,
    MAX_NAME_BYTES,
    check_code,
    check_login,
    file_name,
    folded,
    nested_end,
    nested_key,
    number_files,
    safe_label,
    series_name,
    unique_name,
)

# As people, scanners and attackers write: half characters, what composes, what is invisible, what Windows forbids.
odd = st.text(
    st.sampled_from('a/\\:*?"<>|\0\n\t .%_-~eé\u0301\u200d\u202e\ud800ǅßﬁK\u212b\u0345日👩 \u2028\ufeff=\u0338\u0131İ')
)
texts = (
    st.text()
    | odd
    | st.text(st.characters())
    | st.sampled_from(["CON", "..", "nul.txt", " ", "x" * 300, "日" * 300, "\U0001f9e0" * 300])
)
FORBIDDEN = set('<>:"/\\|?*%') | {chr(number) for number in range(32)} | {"\x7f"}
DEVICES = {"con", "prn", "aux", "nul"} | {f"{name}{number}" for name in ("com", "lpt") for number in "0123456789¹²³"}


def is_safe(name: str) -> bool:
    """Whether Windows, macOS, Linux, XML and a URL can all take it as the name of a file: said here once more, plainly."""
    return (
        name != ""
        and len(name.encode()) <= MAX_NAME_BYTES
        and unicodedata.is_normalized("NFC", name)
        and not FORBIDDEN & set(name)
        and not any(c.isspace() or unicodedata.category(c) in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"} for c in name)
        and not name.endswith((".", " "))
        and name.partition(".")[0].casefold() not in DEVICES
    )


@settings(max_examples=1000)
@given(texts)
def test_a_label_is_safe_and_short_and_stays_as_it_is(text: str) -> None:
    label = safe_label(text)
    assert len(label) <= 64
    assert label == "" or is_safe(f"x{label}")
    assert safe_label(label) == label
    assert "__" not in label


@given(st.text(st.sampled_from("abcXYZ019-"), max_size=64))
def test_an_ordinary_label_stays_as_it_is(text: str) -> None:
    assert safe_label(text) == text.strip("-")


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("t1 mprage  sag", "t1_mprage_sag"),
        ("../../etc/passwd", "etc_passwd"),
        ("a\0b\nc", "a_b_c"),
        ("100%", "100"),
        ("e\u0301", "é"),
        ("e\u200d\u0301", "é"),
        ("...", ""),
        ("__x__", "x"),
        ("\u202egnp.exe", "gnp.exe"),
    ],
)
def test_labels(text: str, label: str) -> None:
    assert safe_label(text) == label


@given(st.integers(0, 2**31 - 1), st.from_regex(r"DCM_[A-Z0-9]{1,16}", fullmatch=True), texts)
def test_a_series_name_is_safe_and_tells_number_and_type(number: int, file_type: str, text: str) -> None:
    name = series_name(number, file_type, text)
    assert is_safe(name)
    assert name == series_name(number, file_type, text)
    assert int(name.partition("_")[0]) == number
    assert name.partition("_")[2].startswith(file_type)


def test_series_names() -> None:
    assert series_name(3, "DCM_MR", "t1 mprage") == "003_DCM_MR_t1_mprage"
    assert series_name(3, "DCM_MR", " / ") == "003_DCM_MR"
    assert series_name(1234, "DCM_MR", "") == "1234_DCM_MR"


@pytest.mark.parametrize("character", ["x", "é", "日", "\U0001f9e0"])
def test_the_longest_series_name_fits_also_with_a_count_behind_it(character: str) -> None:
    name = series_name(2**31 - 1, f"DCM_{'X' * 16}", character * 300)
    assert is_safe(unique_name(name, {folded(name)}))
    assert is_safe(f"{name}_99999")


@given(st.integers(1, 10**9), st.sampled_from([".dcm", ".DCM", ".nii.gz", ""]))
def test_a_file_name_is_safe_and_folded_already(number: int, extension: str) -> None:
    name = file_name(number, extension)
    assert is_safe(name)
    assert folded(name) == name, "ten million rows keep no second spelling"
    assert int(name.partition(".")[0]) == number


@given(st.lists(texts.map(lambda text: series_name(1, "DCM_MR", text)) | st.sampled_from(["A", "a", "a_2", "A_2", "ß", "SS"])))
def test_unique_names_differ_when_folded_and_stay_safe(wanted: list[str]) -> None:
    taken: set[str] = set()
    given_names = []
    for name in wanted:
        found = unique_name(name, taken)
        assert found == name or folded(name) in taken
        assert is_safe(found)
        taken.add(folded(found))
        given_names.append(found)
    assert len(taken) == len(wanted)
    again: set[str] = set()
    for name, before in zip(wanted, given_names, strict=True):
        assert unique_name(name, again) == before
        again.add(folded(before))


@given(texts)
def test_names_that_windows_or_macos_take_for_one_fold_to_one(name: str) -> None:
    assert folded(name) == folded(unicodedata.normalize("NFD", name)) == folded(unicodedata.normalize("NFC", name))
    assert unicodedata.is_normalized("NFC", folded(name))
    ascii_only = "".join(c for c in name if c.isascii())
    assert folded(ascii_only) == folded(ascii_only.upper()) == folded(ascii_only.lower())


def test_case_is_folded_beyond_ascii() -> None:
    assert folded("STRASSE") == folded("Straße")
    assert folded("É") == folded("e\u0301")
    assert folded("A") != folded("B")


numbers = st.lists(st.none() | st.integers(-3, 30) | st.sampled_from([10**8 - 1, 10**8, 10**12]))
used = st.sets(st.integers(0, 40) | st.just(10**8 - 1))


@given(numbers, used)
def test_each_file_gets_a_number_of_its_own(wanted: list[int | None], taken: set[int]) -> None:
    found = number_files(wanted, taken)
    assert len(found) == len(wanted)
    assert len(set(found)) == len(found)
    assert not set(found) & taken
    assert all(number >= 1 for number in found)
    assert found == number_files(wanted, taken)
    for want, got in zip(wanted, found, strict=True):
        if want != got:
            assert got > max(taken, default=0)


@given(numbers, used)
def test_the_first_who_wants_a_free_number_gets_it(wanted: list[int | None], taken: set[int]) -> None:
    found = number_files(wanted, taken)
    seen = set(taken)
    for want, got in zip(wanted, found, strict=True):
        if want is not None and 1 <= want < 10**8 and want not in seen:
            assert got == want
            seen.add(want)


@given(numbers, used)
def test_numbering_changes_nothing_it_was_given(wanted: list[int | None], taken: set[int]) -> None:
    before = (list(wanted), set(taken))
    number_files(wanted, taken)
    assert (wanted, taken) == before


class Counted(set[int]):
    """A set that counts how often it is asked."""

    asked = 0

    def __contains__(self, number: object) -> bool:
        Counted.asked += 1
        return super().__contains__(number)


def test_twenty_thousand_files_with_one_number_are_numbered_in_one_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("catalog.pure.names.set", Counted, raising=False)
    assert number_files([1] * 20_000, set()) == list(range(1, 20_001))
    assert 0 < Counted.asked <= 3 * 20_000


CODES = ["2008-0003", "E001", "a", "A.b_c-d", "x" * 64, "0", "com10", "nullable", "con-1"]
NO_CODES = [
    "", ".hidden", "-x", "_SYSTEM", "a/b", "a b", "ä", "x" * 65, "a\n", "\n", "a\0", "..", ".", "a.", "con", "CON", "nul.txt",
    "Aux.1", "lpt1", "com0", "E001 ", "a%", "٣",
]  # fmt: skip


@pytest.mark.parametrize("code", CODES)
def test_codes(code: str) -> None:
    assert check_code(code, "study") == code
    assert is_safe(code)


@pytest.mark.parametrize("code", NO_CODES)
def test_what_is_no_code(code: str) -> None:
    with pytest.raises(Invalid, match="a study code") as caught:
        check_code(code, "study")
    assert len(code) < 4 or code not in str(caught.value), "what was typed may be a person's name"


@given(texts)
def test_whatever_passes_as_a_code_is_safe_and_as_the_contract_says(text: str) -> None:
    try:
        check_code(text, "exam")
    except Invalid:
        pass
    else:
        assert is_safe(text)
        assert text.isascii()
        assert text[0].isalnum()


@pytest.mark.parametrize("login", ["ada", "a.b", "a@example.org", "_svc", "a+b", "x" * 64])
def test_logins(login: str) -> None:
    assert check_login(login) == login


@pytest.mark.parametrize("login", ["", "-x", "a/b", "a b", "ä", "..", "con", "a.", "x" * 65, "a\n", "a\0b"])
def test_what_is_no_login(login: str) -> None:
    with pytest.raises(Invalid, match="a login"):
        check_login(login)


@given(st.sets(st.text(st.characters(codec="utf-8", exclude_characters="/"), min_size=1).map(folded)), st.integers(1, 10**12))
def test_names_in_a_folder_of_a_series_stand_together_behind_those_of_the_series(names: set[str], folder: int) -> None:
    real = {name for name in names if name and not name.startswith(BEHIND_ALL_NAMES)}
    nested = sorted(nested_key(folder, name) for name in real)
    assert [key.rpartition("/")[2] for key in nested] == sorted(real), "in the order of the names themselves"
    assert all(nested_key(folder, "") < key < nested_end(folder) for key in nested)
    assert all(name < BEHIND_ALL_NAMES for name in real)
    for other in (folder * 10, folder * 10 + 9, folder + 1, folder // 10):
        assert not any(nested_key(other, "") < key < nested_end(other) for key in nested), "folders do not mix"
