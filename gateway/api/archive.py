"""Operations that read: studies, the tree, bytes, ZIP, questions, metadata, figures."""

from base64 import b64encode
from collections.abc import Iterator
from importlib.metadata import version
from typing import Annotated, Any

from pydantic import Field
from typing_extensions import TypedDict

from catalog import administration
from catalog.administration import Scope
from catalog.metadata.coverage import coverage
from catalog.pure.access import Action, Role
from catalog.pure.errors import NotFound
from catalog.pure.names import folded
from catalog.pure.nodes import Kind, Node
from catalog.view import View
from gateway.api.answering import Listing, Page, behind, listing
from gateway.api.operations import Line, Operations, Query
from gateway.api.services import Call
from gateway.http import zipping
from gateway.http.answers import Answer, FileAnswer
from gateway.http.requests import client_of
from gateway.http.sending import archived
from gateway.records import archive as records
from gateway.records.archive import (
    FieldRecord,
    FileRecord,
    ResultRecord,
    SeriesRecord,
    StatisticsRecord,
    StatRecord,
    StudyDetailsRecord,
    StudyRecord,
    Value,
)

OPERATIONS = Operations("archive", "What is archived, as far as it is granted.")


class About(TypedDict):
    """What this is, and as whom it was asked."""

    version: str
    login: str
    role: Role
    scopes: list[Scope]


class StudiesQuery(Page):
    """Which studies."""

    all: Annotated[bool, Field(description="Also those that are not granted to you: for administrators.")] = False


class QuestionQuery(Page):
    """A question, and which part of its answer."""

    q: Annotated[Line, Field(description='A question as in docs/query.md: `file_type = "DCM_MR" and EchoTime > 3 ms`.')]


class StudyQuery(Query):
    """Of which study."""

    study: Annotated[Line, Field(description="Only this study.")] = ""


class ZipQuery(Query):
    """What is to be in a ZIP."""

    q: Annotated[Line, Field(description="All files that answer this question.")]


@OPERATIONS.add("GET", "/", Scope.READ)
def about(call: Call) -> About:
    """Say what this is and who asks."""
    scopes = call.request.session.scopes if call.request.session else ()
    return About(version=version("archimed"), login=call.principal.login, role=call.principal.role, scopes=sorted(scopes))


@OPERATIONS.add("GET", "/studies", Scope.READ)
def list_studies(call: Call, query: StudiesQuery) -> Listing[StudyRecord]:
    """List the studies that are granted to you."""
    if query.all:
        call.require(Action.ADMINISTER)
        call.request.require(Scope.ADMIN)
    found = administration.list_studies(call.database, None if query.all else call.principal.user_id)
    wanted = behind(found, query.after, lambda each: each.code, folded)
    return listing(map(records.study, wanted), query.limit, lambda each: each["code"])


@OPERATIONS.add("GET", "/studies/{study}", Scope.READ)
def show_study(call: Call, study: str) -> StudyDetailsRecord:
    """Show a study; only administrators see who may see it."""
    found = records.study_details(administration.show_study(call.database, study, call.principal.user_id))
    if not call.principal.may(Action.ADMINISTER):
        found["users"] = []
    return found


@OPERATIONS.add("GET", "/studies/{study}/exams", Scope.READ)
def list_exams(call: Call, study: str, query: Page) -> Listing[StatRecord]:
    """List the exams of a study."""
    return _children(call.view, study, query, Kind.STUDY)


@OPERATIONS.add("GET", "/studies/{study}/exams/{exam}", Scope.READ)
def show_exam(call: Call, study: str, exam: str) -> StatRecord:
    """Show an exam."""
    path = f"{study}/{exam}"
    return records.stat(path, _find(call.view, path, Kind.EXAM))


@OPERATIONS.add("GET", "/studies/{study}/exams/{exam}/series", Scope.READ)
def list_series(call: Call, study: str, exam: str, query: Page) -> Listing[SeriesRecord]:
    """List the series of an exam, results too, with what the files of each share."""
    view = call.view
    _find(view, f"{study}/{exam}", Kind.EXAM)
    after = f"{study}/{exam}/{query.after}" if query.after else ""
    found = view.search(_in_exam(study, exam), after=after)
    return listing(map(records.series, found), query.limit, lambda each: each["series"])


@OPERATIONS.add("GET", "/studies/{study}/exams/{exam}/series/{series}", Scope.READ)
def show_series(call: Call, study: str, exam: str, series: str) -> SeriesRecord:
    """Show a series with what its files share."""
    view = call.view
    return _series(view, study, exam, _find(view, f"{study}/{exam}/{series}", Kind.SERIES).name)


@OPERATIONS.add("GET", "/studies/{study}/exams/{exam}/series/{series}/files", Scope.READ)
def list_files(call: Call, study: str, exam: str, series: str, query: Page) -> Listing[StatRecord]:
    """List what lies in a series: its files, and the folders of a result."""
    return _children(call.view, f"{study}/{exam}/{series}", query, Kind.SERIES)


@OPERATIONS.add("GET", "/studies/{study}/exams/{exam}/results", Scope.READ)
def list_results(call: Call, study: str, exam: str, query: Page) -> Listing[ResultRecord]:
    """List the results in an exam, with what each was made of and by which program."""
    view = call.view
    _find(view, f"{study}/{exam}", Kind.EXAM)
    after = f"{study}/{exam}/{query.after}" if query.after else ""

    def results() -> Iterator[ResultRecord]:
        for found in view.search(_in_exam(study, exam) + ' and file_type = "RESULT"', after=after):
            origin = view.origin(view.resolve(f"{study}/{exam}/{found.name}").id)
            yield records.result(found, origin)

    return listing(results(), query.limit, lambda each: each["series"])


@OPERATIONS.add("GET", "/tree", Scope.READ)
def list_root(call: Call, query: Page) -> Listing[StatRecord]:
    """List the root of the tree: the studies, and the trees beside them."""
    return _children(call.view, "", query)


@OPERATIONS.add("GET", "/tree/{path}", Scope.READ)
def list_folder(call: Call, path: str, query: Page) -> Listing[StatRecord]:
    """List a folder of the tree, of any kind."""
    return _children(call.view, path, query)


@OPERATIONS.add("GET", "/stat/{path}", Scope.READ)
def stat(call: Call, path: str) -> StatRecord:
    """Show what is known of one place in the tree; of a result, also what it was made of."""
    view = call.view
    node = view.resolve(path)
    return records.stat(path, node, view.origin(node.id))


@OPERATIONS.add("GET", "/metadata/{path}", Scope.READ)
def show_metadata(call: Call, path: str) -> dict[str, Value]:
    """Show what the catalogue keeps of a series or a file, each in its field's unit (`/query/fields`).

    Of a series: what all its files share, and the range of numbers in which they differ.
    """
    view = call.view
    node = view.resolve(path)
    if node.id.kind not in {Kind.SERIES, Kind.FILE}:
        raise NotFound("only series and files have metadata")
    return {name: records.value(one) for name, one in view.metadata(node.id).items()}


@OPERATIONS.add("GET", "/files/{path}", Scope.READ, media="*/*")
def read_file(call: Call, path: str) -> Answer:
    """Read a file's bytes, or a range of them.

    `ETag` is the SHA-256 of the whole file in hexadecimal digits, and `Repr-Digest` (RFC 9530) the same. With `If-Range` a
    download that was cut off goes on where it was.
    """
    view, request, files = call.view, call.request, call.services.files
    node = view.resolve(path)
    if node.is_folder:
        view.open(node.id)  # raises what a folder gets

    def may_go_on() -> bool:
        try:
            view.attributes(node.id)
        except NotFound:
            return False
        return request.still_authenticated()

    def open_file() -> Any:
        opened = view.open(node.id, client_of(request.environ.get("HTTP_USER_AGENT", "")))
        return archived(opened, files.watch(request, may_go_on))

    answer = files.answer(request, node, open_file)
    if isinstance(answer, FileAnswer):
        answer.headers.append(("Repr-Digest", f"sha-256=:{b64encode(node.digest).decode()}:"))
    return answer


@OPERATIONS.add("GET", "/zip/{path}", Scope.READ, media="application/zip")
def read_zip(call: Call, path: str) -> Answer:
    """Read all files at or below a place of the tree as one ZIP; its size is known from the first byte."""
    view = call.view
    node = view.resolve(path)
    name = "_".join(filter(None, path.split("/")))
    return zipping.answer(call.request, view, call.services.files, name, zipping.members(view, node, node.name))


@OPERATIONS.add("GET", "/zip", Scope.READ, media="application/zip")
def read_zip_of_answers(call: Call, query: ZipQuery) -> Answer:
    """Read all files that answer a question as one ZIP, in their folders."""
    view = call.view

    def members() -> Iterator[zipping.Member]:
        for found in records.files(view.search(query.q, with_files=True)):
            yield zipping.Member(found["path"], view.resolve(found["path"]))

    return zipping.answer(call.request, view, call.services.files, "query", members())


@OPERATIONS.add("GET", "/query", Scope.READ)
def query_series(call: Call, query: QuestionQuery) -> Listing[SeriesRecord]:
    """Find series of which at least one file answers a question.

    The header `Archimed-Note` says what the answer leaves out because some studies do not keep it.
    """
    view = call.view
    notes = view.not_known(query.q)
    found = listing(map(records.series, view.search(query.q, after=query.after)), query.limit, lambda each: each["path"])
    return Listing(found.items, found.following, notes)


@OPERATIONS.add("GET", "/query/files", Scope.READ)
def query_files(call: Call, query: QuestionQuery) -> Listing[FileRecord]:
    """Find files that answer a question."""
    view = call.view
    notes = view.not_known(query.q)
    found = records.files(view.search(query.q, with_files=True, after=query.after))
    page = listing(found, query.limit, lambda each: each["path"])
    return Listing(page.items, page.following, notes)


@OPERATIONS.add("GET", "/query/fields", Scope.READ)
def list_fields(call: Call, query: Page) -> Listing[FieldRecord]:
    """List the fields that can be asked for: kind, unit, and in how many of your series at least one file has them."""
    found = sorted(coverage(call.database, call.principal.user_id), key=lambda each: each.field.name)
    wanted = behind(found, query.after, lambda each: each.field.name, str)
    return listing(map(records.field, wanted), query.limit, lambda each: each["name"])


@OPERATIONS.add("GET", "/stats", Scope.READ)
def show_statistics(call: Call, query: StudyQuery) -> list[StatisticsRecord]:
    """Count exams, series, files and bytes of each study, by type of file."""
    return [records.statistics(each) for each in call.view.statistics(query.study)]


def _children(view: View, path: str, page: Page, kind: Kind | None = None) -> Listing[StatRecord]:
    node = _find(view, path, kind) if kind else view.resolve(path)
    above = "/".join(filter(None, path.split("/")))
    if not node.is_folder:
        return Listing([records.stat(above, node)], None)
    found = view.children(node.id, page.after, page.limit + 1)
    shown = (records.stat(f"{above}/{each.name}", each) for each in found)
    return listing(shown, page.limit, lambda each: each["name"])


def _find(view: View, path: str, kind: Kind) -> Node:
    node = view.resolve(path)
    if node.id.kind is not kind:
        raise NotFound("there is no such file or folder")
    return node


def _in_exam(study: str, exam: str) -> str:
    return f'study = "{study}" and exam = "{exam}"'


def _series(view: View, study: str, exam: str, series: str) -> SeriesRecord:
    quoted = series.replace('"', '""')
    for found in view.search(f'{_in_exam(study, exam)} and series = "{quoted}"'):
        return records.series(found)
    raise NotFound("there is no such file or folder")
