"""An archive as Python sees it: questions, listings, downloads, results and what is brought to the gate."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from archimed import fetching, sending
from archimed.http import API, Connection, address

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import pandas as pd

    from archimed.fetching import Progress


def open(  # noqa: A001 - `archimed.open`, as `gzip.open`
    url: str,
    token: str,
    *,
    login: str = "",
    verify: bool | str = True,
    timeout: float = 60.0,
    insecure: bool = False,
) -> Archive:
    """Return an archive.

    Args:
        url: its address, `https://archive.example.org`.
        token: what `archimed token create` printed; with `login`, a password as well.
        login: needed for passwords alone: a token says whose it is.
        verify: False trusts every certificate; a path names a file with those that are trusted.
        timeout: seconds that it may be silent.
        insecure: send the token over plain http:// to another machine.

    Raises:
        ValueError: the address cannot be used.
    """
    return Archive(Connection(url, token.strip(), login, verify=verify, timeout=timeout, insecure=insecure))


class Archive:
    """An archive as its token's owner may see it. Made by `archimed.open`; a context manager that closes it."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def __enter__(self) -> Archive:  # noqa: PYI034 - `Self` came with Python 3.11
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections."""
        self._connection.close()

    def about(self) -> dict[str, Any]:
        """Return the server's version, and your login, role and scopes."""
        told: dict[str, Any] = self._connection.json("GET", "/")
        return told

    def query(self, question: str) -> Query:
        """Return a question (docs/query.md), which is asked when its answer is used."""
        return Query(self, question)

    def fields(self) -> list[dict[str, Any]]:
        """Return the fields that can be asked for, with kind and unit."""
        return list(self._connection.each("/query/fields"))

    def studies(self) -> list[dict[str, Any]]:
        """Return the studies that are granted to you."""
        return list(self._connection.each("/studies"))

    def exams(self, study: str) -> list[dict[str, Any]]:
        """Return the exams of a study."""
        return list(self._connection.each(f"/studies/{address(study)}/exams"))

    def series(self, study: str, exam: str) -> list[dict[str, Any]]:
        """Return the series of an exam, with their metadata."""
        return list(self._connection.each(f"/studies/{address(study)}/exams/{address(exam)}/series"))

    def results(self, study: str, exam: str) -> list[dict[str, Any]]:
        """Return the results in an exam, each with `made_of`, `program`, `sources` and `brought_by`."""
        return list(self._connection.each(f"/studies/{address(study)}/exams/{address(exam)}/results"))

    def ls(self, path: str = "") -> list[dict[str, Any]]:
        """Return what lies in a folder of the tree."""
        return [*self._connection.each(f"/tree/{address(path)}" if path.strip("/") else "/tree")]

    def walk(self, path: str) -> Iterator[dict[str, Any]]:
        """Yield all files at or below a place of the tree."""
        if path.strip("/"):
            found = self.stat(path)
            if found["kind"] == "file":
                yield found
                return
        for each in self.ls(path):
            if each["kind"] == "file":
                yield each
            else:
                yield from self.walk(each["path"])

    def stat(self, path: str) -> dict[str, Any]:
        """Return what is known of one place in the tree."""
        told: dict[str, Any] = self._connection.json("GET", f"/stat/{address(path)}")
        return told

    def metadata(self, path: str) -> dict[str, Any]:
        """Return the metadata of a series or a file."""
        told: dict[str, Any] = self._connection.json("GET", f"/metadata/{address(path)}")
        return told

    def stats(self, study: str = "") -> list[dict[str, Any]]:
        """Return how many exams, series, files and bytes each study holds."""
        return list(self._connection.json("GET", "/stats", {"study": study} if study else None))

    def read(self, path: str, offset: int = 0, length: int | None = None) -> bytes:
        """Return a file's bytes, or `length` of them from `offset`; fewer only at its end."""
        if length == 0:
            return b""
        last = "" if length is None else offset + length - 1
        headers = {"Range": f"bytes={offset}-{last}"} if offset or length is not None else None
        return self._connection.request("GET", f"{API}/files/{address(path)}", headers=headers).content

    def download(
        self, paths: str | Iterable[str], to: str | Path, *, progress: Progress | bool = False, workers: int = 4
    ) -> Sequence[Path]:
        """Download everything at or below some places of the tree, in its folders.

        What is there already with the right digest is not fetched again, and what was cut off goes on where it was: call it
        again.

        Args:
            paths: where in the tree.
            to: the folder that becomes the root of the tree.
            progress: True shows a line on stderr; a function is called with the bytes that are there and all bytes.
            workers: so many files at a time.

        Returns:
            The files, in the order of the tree.

        Raises:
            NotFound, Refused, Unavailable: as the archive says.
            Damaged: bytes came that are not what the archive has.
        """
        places = [paths] if isinstance(paths, str) else list(paths)
        files = (each for place in places for each in self.walk(place))
        return fetching.fetch(self._connection, files, Path(to), progress, workers)

    def upload(
        self, files: str | Path | Iterable[str | Path], study: str, exam: str, *, folder: str = "",
        progress: Progress | bool = False,
    ) -> dict[str, Any]:  # fmt: skip
        """Bring files to the gate, folders with all below them, for an exam; they wait there for a human's decision.

        A file whose connection breaks goes on where it was.

        Args:
            files: files and folders of this machine.
            study: the study they are for.
            exam: the exam they are for.
            folder: a folder within the exam.
            progress: as of `download`.

        Returns:
            The batch that they wait in.
        """
        names = [name for name in folder.split("/") if name]
        sending.send(self._connection, sending.found([Path(each) for each in _several(files)]), [study, exam, *names], progress)
        return self._open_batch(study, exam)

    def add_result(
        self, series: str, files: str | Path | Iterable[str | Path], label: str, *, program: str = "",
        also_from: Sequence[str] = (), progress: Progress | bool = False,
    ) -> dict[str, Any]:  # fmt: skip
        """Bring what a program made of a series to the gate, with where it comes from.

        Args:
            series: the series' path, `2008-0003/E001/003_DCM_MR_t1_mprage`.
            files: the result's files and folders.
            label: what it is; its folder is called `NNN_RESULT_<label>`.
            program: what made it, with its version.
            also_from: other series of that exam that it was made of, by their folder names.
            progress: as of `download`.

        Returns:
            The batch that it waits in.
        """
        study, exam, name = series.strip("/").split("/")
        for each in (name, *also_from):
            self.stat(f"{study}/{exam}/{each}")
        folder = f"{int(name.partition('_')[0]):03d}_RESULT_{label}"
        local = sending.found([Path(each) for each in _several(files)])
        lineage = sending.lineage(program, [name, *also_from])
        sending.send(self._connection, [*local, lineage], [study, exam, folder], progress)
        return self._open_batch(study, exam)

    def batches(self, state: str = "", study: str = "") -> list[dict[str, Any]]:
        """Return what waits at the gate, as far as you may see it."""
        wanted = {"state": state, "study": study}
        return list(self._connection.each("/batches", {key: value for key, value in wanted.items() if value}))

    def seal(self, batch: int) -> dict[str, Any]:
        """Close a batch to more files, and have it checked."""
        told: dict[str, Any] = self._connection.json("POST", f"/batches/{batch}/seal")
        return told

    def _open_batch(self, study: str, exam: str) -> dict[str, Any]:
        mine = [
            each for each in self.batches("open", study) if each["exam"] == exam and each["uploader"] == self.about()["login"]
        ]
        return mine[-1] if mine else {}


class Query:
    """A question. Iterating yields the series that answer; each use asks again."""

    def __init__(self, archive: Archive, question: str) -> None:
        self._archive = archive
        self._connection = archive._connection  # noqa: SLF001 - the two are one
        self.question = question

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return self._connection.each("/query", {"q": self.question})

    def files(self) -> Iterator[dict[str, Any]]:
        """Yield the files that answer."""
        return self._connection.each("/query/files", {"q": self.question})

    def to_pandas(self, *, files: bool = False) -> pd.DataFrame:
        """Return a table with a row for each series that answers, or each file; a column for each field of the metadata.

        Numbers in which the files of a series differ are there as `{"min": ..., "max": ...}`.
        """
        import pandas as pd

        rows = [dict(each) for each in (self.files() if files else self)]
        flat = [{**{key: value for key, value in row.items() if key != "metadata"}, **row.get("metadata", {})} for row in rows]
        table = pd.DataFrame(flat)
        for name in ("acquired", "added"):
            if name in table:
                table[name] = pd.to_datetime(table[name], utc=True)
        return table

    def download(self, to: str | Path, *, progress: Progress | bool = False, workers: int = 4) -> Sequence[Path]:
        """Download the files that answer, in their folders; see `Archive.download`."""
        return fetching.fetch(self._connection, self.files(), Path(to), progress, workers)


def _several(files: str | Path | Iterable[str | Path]) -> list[str | Path]:
    return [files] if isinstance(files, (str, Path)) else [*files]
