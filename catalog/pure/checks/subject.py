"""Whether a batch's files are of the person whose exam they are meant for. Sees digests and codes, and names neither."""

from collections.abc import Collection, Iterator

from catalog.pure.checks.model import Finding, Severity, counted
from catalog.pure.expectations import Expectations

NAME = "subject"


def of_exam(
    exam: str,
    subjects: Collection[bytes],
    there: Collection[bytes],
    elsewhere: Collection[str],
    expected: Expectations,
    again: int = 0,
) -> Iterator[Finding]:
    """Say if the files are of another person than the exam's, or of one who is in the study under another code.

    No exam is named but the one that was given: who guesses IDs learns no code.

    Args:
        exam: code of the exam that the files are meant for.
        subjects: digests of whose files they are.
        there: digests of whose files the exam has; none if that is not known.
        elsewhere: the codes of other exams that have files of these subjects.
        expected: what the study's profile says, `subject` with it: which codes are one subject's.
        again: how many of the files are archived already: then a name or ID was corrected where they come from.
    """
    if there and set(subjects) - set(there) and again:
        come = f"{counted(again, 'file')} of exam {exam} {'comes' if again == 1 else 'come'} again"
        yield Finding(
            NAME,
            Severity.BLOCKING,
            f"this is a correction: {come} with another patient's name or ID. If it is the same person, nothing has "
            "to be replaced, for no archived file names a patient: reject it, or accept it with --despite REASON for what is "
            "new in it. If the exam was of the wrong person, move its series (archimed correct), or put them into the bin "
            "(archimed bin put) and accept this one under the right --exam",
            of_study=True,
        )
    elif there and set(subjects) - set(there):
        yield Finding(
            NAME,
            Severity.BLOCKING,
            f"exam {exam} has files of another patient: accept it with the --exam of this one, or with --despite REASON if "
            "they are the same person",
            of_study=True,
        )
    own = expected.subject_of(exam)
    if not any(expected.subject_of(code) != own for code in elsewhere):
        return
    if expected.subject:
        yield Finding(
            NAME,
            Severity.BLOCKING,
            f"files of this patient are archived in an exam of another subject than {exam} is of: accept it with another "
            "--exam, or with --despite REASON if the codes are of one person",
            of_study=True,
        )
    else:
        yield Finding(
            NAME,
            Severity.WARNING,
            f"files of this patient are archived in another exam of the study than {exam}: is this another visit? A pattern "
            "`subject` in the profile says which codes are one subject's",
            of_study=True,
        )
