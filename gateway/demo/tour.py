"""What happens in the demo, in order, and what is printed about it on the way."""

import contextlib
import io
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pydicom
from rich.console import Console
from rich.progress import track

from catalog.pure.errors import Damaged, Refused, Unavailable
from gateway.demo import phantom, proof
from gateway.demo.operator import Operator
from gateway.demo.processes import Scanner
from gateway.demo.specimens import OTHER_STUDY, STUDY, Exam, exams

REVIEWER, RESEARCHER = "ada", "lea"
CALLING, CALLED = "DEMO_SCANNER", "ARCHIMED"
_PATIENCE_SECONDS = 300
_SHOWN_TAGS = ("PatientName", "PatientID", "PatientBirthDate", "StudyDate", "InstitutionName", "StudyInstanceUID")


@dataclass(slots=True)
class _Sent:
    """An exam on its way: the batch it became, and that batch as the reviewer last saw it."""

    exam: Exam
    number: int
    batch: dict[str, Any] = field(default_factory=dict)


class Tour:
    """Leads through the appliance; each method is one stage, and they come in this order."""

    def __init__(self, console: Console, operator: Operator, print_table: Callable[[list[dict[str, Any]]], None]) -> None:
        self._console = console
        self._print_table = print_table
        self._operator = operator
        self._phantom: list[Path] = []
        self._sent: list[_Sent] = []
        self.tokens: dict[str, str] = {}

    def set_up(self) -> None:
        """Make the archive, its people, studies and the scanner."""
        run = self._operator.run
        run("init")
        run("study", "create", STUDY, "--description", "Demonstration")
        run("study", "create", OTHER_STUDY, "--description", "A study that lea may not see")
        run("user", "add", REVIEWER, "--role", "standard")
        run("user", "add", RESEARCHER, "--role", "limited")
        for login, study in ((REVIEWER, STUDY), (REVIEWER, OTHER_STUDY), (RESEARCHER, STUDY)):
            run("grant", "add", login, study)
        run("source", "add", "demo-scanner", "--ae", CALLING, "--host", "127.0.0.1", "--reviewer", REVIEWER)
        scopes = {REVIEWER: ("--scope", "read", "--scope", "staging"), RESEARCHER: ("--scope", "read")}
        self.tokens = {login: run("token", "create", login, *of, "--expires", "30d").strip() for login, of in scopes.items()}
        self._say(f"an archive with two studies, {REVIEWER} (standard, reviews what comes in) and {RESEARCHER} (limited)")

    def send(self, scanner: Scanner, folder: Path) -> None:
        """Send the phantom and the specimens by C-STORE, each exam as a batch of its own."""
        self._phantom = phantom.write(folder)
        everything = [Exam(f"phantom, {phantom.PATIENT}", self._phantom, "E001"), *exams()]
        for exam in self._progress(everything, "sending"):
            statuses = scanner.send(exam.files)
            if any(statuses):
                raise Unavailable(
                    f"{exam.what}: C-STORE answered {', '.join(f'0x{status:04x}' for status in statuses if status)}"
                )
            (batch,) = [batch for batch in self._batches() if batch["state"] == "open"]
            self._operator.run("staging", "seal", str(batch["id"]), "--no-wait", "--as", REVIEWER)
            self._sent.append(_Sent(exam, batch["id"]))
        count = sum(len(exam.files) for exam in everything)
        self._say(f"{count} DICOM files in {len(everything)} batches, sent by C-STORE to the appliance's own port")

    def review(self) -> None:
        """Show what the reviewer sees, and decide as a reviewer would."""
        self._wait_until(lambda states: "sealed" not in states, "checking")
        first = self._sent[0]
        self._say(f"what {REVIEWER} sees of batch {first.number} (archimed staging show {first.number} --as {REVIEWER}):")
        self._quote(self._operator.run("staging", "show", str(first.number), "--as", REVIEWER))
        for sent in self._progress(self._sent, "deciding"):
            self._decide(sent)
        self._wait_until(lambda states: "accepted" not in states, "publishing")
        now = {batch["id"]: batch for batch in self._batches()}
        for sent in self._sent:
            sent.batch = now[sent.number]
        self._say(f"decided by {REVIEWER}, published by the worker:")
        self._list(
            [
                {"batch": sent.number, "what": sent.exam.what, "files": sent.batch["files"], "outcome": self._outcome(sent)}
                for sent in self._sent
            ]
        )
        if first.batch["state"] != "published":
            raise Damaged(f"the phantom was not published: batch {first.number} is {first.batch['state']}")

    def compare_headers(self) -> None:
        """Show what de-identification made of the phantom."""
        (path, *_) = proof.files_below(self._operator, RESEARCHER, f"{STUDY}/E001")
        before = pydicom.dcmread(self._phantom[0], stop_before_pixels=True)
        after = pydicom.dcmread(io.BytesIO(self._operator.raw("cat", path, "--as", RESEARCHER)), stop_before_pixels=True)
        self._say("the phantom's header, before and after:")
        self._list(
            [
                {"": tag, "sent": str(before.get(tag, "")), "in_the_archive": str(after.get(tag, "")) or "(removed)"}
                for tag in _SHOWN_TAGS
            ]
        )
        if phantom.PATIENT in str(after):
            raise Damaged("the patient's name is still in the archived file")

    def show_report(self) -> None:
        """Show what the publish job did to the phantom, and by which rules."""
        command = ("staging", "show", str(self._sent[0].number), "--as", REVIEWER)
        self._say(f"what was done to the phantom, by series and by rule (archimed {' '.join(command)}):")
        self._quote(self._operator.run(*command))

    def draw_tree(self) -> None:
        """Show the researcher's tree."""
        self._say(f"the archive as {RESEARCHER} sees it; {REVIEWER} sees {OTHER_STUDY} too:")
        self._quote("\n".join(picture(proof.files_below(self._operator, RESEARCHER))))

    def prove(self, mountpoint: Path | None, address: str) -> None:
        """Read everything back through mount and WebDAV and compare.

        Raises:
            Damaged: something differs.
        """
        wanted = proof.expected(self._operator, RESEARCHER)
        if not wanted:
            raise Damaged("nothing is in the archive")
        if mountpoint is not None:
            self._prove("the mount", proof.through_mount(mountpoint), wanted)
        for login in (RESEARCHER, REVIEWER):
            client = proof.WebDav(address, login, self.tokens[login])
            try:
                found = client.all()
            finally:
                client.close()
            self._prove(f"WebDAV as {login}", found, proof.expected(self._operator, login))

    def _prove(self, door: str, found: dict[str, tuple[int, str]], wanted: dict[str, tuple[int, str]]) -> None:
        result = proof.compare(door, found, wanted)
        self._say(f"read back through {door}: {result.files} files, {result.bytes:,} bytes, the same as `archimed cat` gives")

    def _decide(self, sent: _Sent) -> None:
        number = str(sent.number)
        study, exam = sent.exam.study, sent.exam.code
        if exam:
            self._operator.run("staging", "accept", number, "--study", study, "--exam", exam, "--as", REVIEWER)
            return
        try:
            self._operator.run("staging", "accept", number, "--study", study, "--exam", "E999", "--as", REVIEWER)
        except Refused as refusal:
            self._say(f"the gate does not let in batch {sent.number}, {sent.exam.what}: {refusal}")
        else:
            raise Damaged(f"the gate let in {sent.exam.what}")
        self._operator.run("staging", "reject", number, "--reason", sent.exam.reason, "--as", REVIEWER)

    def _outcome(self, sent: _Sent) -> str:
        state, batch = sent.batch["state"], sent.batch
        if state == "published":
            return f"{batch['study']}/{batch['exam']}"
        if state == "rejected":
            return f"rejected: {batch['reason']}"
        reasons = {finding["message"] for finding in batch["findings"] if finding["check"] == "publish"}
        return "; ".join(sorted(reasons)) or f"{state}: {batch['reason']}"

    def _batches(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._operator.json("staging", "list", "--as", REVIEWER)
        return found

    def _wait_until(self, done: Callable[[set[str]], bool], what: str) -> None:
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while not done({batch["state"] for batch in self._batches()}):
            if time.monotonic() > deadline:
                raise Unavailable(f"{what} takes too long; see the log of the worker")
            time.sleep(0.2)

    def _progress(self, items: list[Any], what: str) -> Iterable[Any]:
        return track(items, what, console=self._console, transient=True, disable=not self._console.is_terminal)

    def _say(self, text: str) -> None:
        self._console.print(f"\n[bold]*[/bold] {text}", highlight=False)

    def _list(self, records: list[dict[str, Any]]) -> None:
        written = io.StringIO()
        with contextlib.redirect_stdout(written):
            self._print_table(records)
        self._quote(written.getvalue())

    def _quote(self, text: str) -> None:
        for line in text.splitlines():
            self._console.print(f"    {line}", markup=False, highlight=False, soft_wrap=True)


def picture(paths: Iterable[str], shown: int = 2) -> list[str]:
    """Return the lines of a tree of folders, with the first and the last file of each."""
    tree: dict[str, Any] = {}
    for path in paths:
        below = tree
        for name in path.split("/"):
            below = below.setdefault(name, {})
    return list(_branches(tree, "", shown))


def _branches(tree: dict[str, Any], indent: str, shown: int) -> Iterable[str]:
    names = list(tree)
    if not any(tree.values()) and len(names) > shown:
        names = [names[0], f"... {len(names) - shown} more", names[-1]]
    for name in names:
        last = name == names[-1]
        yield f"{indent}{'└── ' if last else '├── '}{name}{'/' if tree.get(name) else ''}"
        yield from _branches(tree.get(name, {}), indent + ("    " if last else "│   "), shown)
