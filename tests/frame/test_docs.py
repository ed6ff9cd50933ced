"""The documentation hangs together: every link leads somewhere, every page is reachable, what code cites exists."""

import re
from functools import cache
from pathlib import Path

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

from tests.frame.test_frame import TOP, tracked

PAGES = sorted(path for path in tracked() if path.suffix == ".md")
RECORDS = sorted((TOP / "docs/adr").glob("[0-9]*.md"))
HEADINGS = ["Context", "Decision", "Consequences", "How to revisit"]
OUTSIDE = re.compile(r"(https?|davs|mailto):")


def name_of(path: Path) -> str:
    return str(path.relative_to(TOP))


@cache
def tokens(page: Path) -> list[Token]:
    return MarkdownIt().enable("table").parse(page.read_text(encoding="utf-8"))


def links(page: Path) -> list[str]:
    inline = [child for token in tokens(page) for child in token.children or []]
    found = [child.attrGet("href") or child.attrGet("src") for child in inline if child.type in {"link_open", "image"}]
    return [str(target) for target in found if target]


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub and other hosts make them."""
    following = zip(tokens(page), tokens(page)[1:], strict=False)
    texts = ["".join(child.content for child in text.children or []) for head, text in following if head.type == "heading_open"]
    return {re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-") for text in texts}


def dead(page: Path) -> list[str]:
    found = []
    fragment = page.parent.name == "changelog.d" and page.name != "README.md"
    base = TOP if fragment else page.parent  # a fragment's text ends up in CHANGELOG.md
    for link in links(page):
        target, _, anchor = link.partition("#")
        file = (base / target).resolve() if target else page
        if OUTSIDE.match(link):
            continue
        if not file.exists() or not file.is_relative_to(TOP) or (anchor and anchor not in anchors(file)):
            found.append(link)
    return found


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_link_leads_somewhere(page: Path) -> None:
    assert dead(page) == []


def test_a_dead_link_is_found(tmp_path: Path) -> None:
    page = TOP / "docs/index.md"
    assert "clients.md" in links(page)
    assert {"for-researchers", "words"} <= anchors(page)
    for text in ("[a](gone.md)", "[a](#gone)", f"[a]({tmp_path})", "![a](gone.png)"):
        broken = tmp_path / f"{abs(hash(text))}.md"
        broken.write_text(f"# Words\n\n{text}\n")
        assert len(dead(broken)) == 1, text


def test_every_page_is_reached_from_the_index() -> None:
    reached: set[Path] = set()
    todo = [TOP / "docs/index.md"]
    while todo:
        page = todo.pop()
        if page.suffix == ".md" and page not in reached and page.is_file():
            reached.add(page)
            todo += [(page.parent / link.partition("#")[0]).resolve() for link in links(page) if not OUTSIDE.match(link)]
    assert [name_of(page) for page in PAGES if page.is_relative_to(TOP / "docs") and page not in reached] == []


def test_the_readme_leads_to_the_index() -> None:
    assert "docs/index.md" in links(TOP / "README.md")


@pytest.mark.parametrize("record", RECORDS, ids=lambda path: path.stem[:4])
def test_a_decision_record_has_its_parts(record: Path) -> None:
    text = record.read_text(encoding="utf-8")
    number = int(record.name[:4])
    assert text.startswith(f"# {number}. ")
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == HEADINGS
    assert len(text.split()) < 500


def test_decision_records_are_numbered_and_listed() -> None:
    numbers = [int(record.name[:4]) for record in RECORDS]
    assert numbers[0] == 1
    assert numbers == sorted(set(numbers))  # one that was given up leaves a gap: numbers are cited
    assert [link for link in links(TOP / "docs/adr/README.md") if link[0].isdigit()] == [record.name for record in RECORDS]


def test_laws_are_numbered_and_those_cited_exist() -> None:
    laws = [int(n) for n in re.findall(r"^(\d+)\. \*\*", (TOP / "docs/laws.md").read_text(encoding="utf-8"), re.MULTILINE)]
    assert laws == list(range(1, len(laws) + 1))
    texts = {path: path.read_text(encoding="utf-8") for path in tracked() if path.suffix in {".py", ".md", ".service", ".yml"}}
    cited = {(name_of(path), int(n)) for path, text in texts.items() for n in re.findall(r"\b[Ll]aws? (\d+)", text)}
    assert cited
    assert [where for where in sorted(cited) if where[1] not in laws] == []
    named = [name_of(path) for path, text in texts.items() if re.search(r"DESIGN[,.]", text)]
    assert named == [], "what is not in the repository is cited"


def test_pages_that_text_names_without_a_link_exist() -> None:
    named = re.compile(r"(?<![\w/.-])((?:docs|benchmarks|changelog\.d)/[\w/-]+\.(?:md|py))")
    read = [path for path in tracked() if path.suffix in {".py", ".md", ".toml", ".yml", ".service", ".html", ".j2"}]
    found = {(name_of(path), target) for path in read for target in named.findall(path.read_text(encoding="utf-8"))}
    assert len(found) > 20
    assert [where for where in sorted(found) if not (TOP / where[1]).is_file()] == []


def test_what_additions_would_change_exists() -> None:
    section = (
        (TOP / "ARCHITECTURE.md").read_text(encoding="utf-8").partition("## Adding something large")[2].partition("\n## ")[0]
    )
    rows = [line.split(" | ") for line in section.splitlines() if line.startswith("| ") and not line.startswith("| ---")][1:]
    assert len(rows) >= 7
    for addition, new, changes in rows:
        named = re.findall(r"`([a-z_]+/[\w/.]+)`", new + changes)
        assert named, addition
        assert [path for path in named if not (TOP / path).exists()] == [], addition
        defined = re.findall(r"`([a-z_]+)`", changes.replace("_BESIDE", "_beside"))
        code = "".join((TOP / path).read_text() for path in re.findall(r"`([\w/]+\.py)`", changes)).lower()
        assert [name for name in defined if name not in code] == [], addition
