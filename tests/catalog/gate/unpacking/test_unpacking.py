"""Archives: their files join the batch, and nothing that is hostile, lying or broken does harm."""

import bz2
import contextlib
import functools
import gzip
import io
import lzma
import random
import stat
import struct
import subprocess
import tarfile
import threading
import tracemalloc
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa
from pydicom.dataset import Dataset

from catalog.database.tables import jobs, staged_files
from catalog.gate.drops import quota
from catalog.gate.staged.session import Session
from catalog.gate.sweep import Sweeper
from catalog.gate.unpacking import Unpacker, tars, zips
from catalog.gate.unpacking.limits import Budget, Limits, member_name
from catalog.pure.batches import State
from catalog.pure.errors import OutOfSpace, Unreadable
from gateway.wiring import make_worker
from tests.catalog.gate.conftest import STUDY, Gate
from tests.synthetic import image, part10

SMALL = Limits(files=50, bytes=8 << 20, ratio=20, free_bytes=1 << 20, depth=2, index_bytes=8 << 10)


def zipped(files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def tarred(files: dict[str, bytes], mode: str = "w", **more: object) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            for key, value in more.items():
                setattr(info, key, value)
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def brought(gate: Gate, *contents: bytes, exam: str = "E001") -> int:
    """Bring files as a user does, have them checked, and return their batch."""
    batch = gate.bring(*contents, exam=exam)
    gate.review.seal(batch)
    gate.work()
    return batch


DICOM = {f"study/IM{number}": image(instance=number) for number in (1, 2, 3)}


PACKS = {"zip": zipped, "tar": tarred} | {
    f"tar.{kind}": functools.partial(tarred, mode=f"w:{kind}") for kind in ("gz", "bz2", "xz")
}


@pytest.mark.parametrize("pack", PACKS.values(), ids=PACKS)
def test_the_files_of_an_archive_join_the_batch(gate: Gate, pack: Callable[[dict[str, bytes]], bytes]) -> None:
    batch = brought(gate, pack(DICOM), image(instance=4))
    info = gate.review.info(batch)
    assert (info.state, info.files, [one["files"] for one in info.summary]) == (State.CHECKED, 5, [4])
    assert [finding["check"] for finding in info.findings] == ["unpacked"]
    gate.review.accept(batch, STUDY, "E001")
    gate.work()
    assert gate.review.info(batch).state is State.PUBLISHED
    assert len(gate.names(f"{STUDY}/E001/003_DCM_MR_t1_mprage_sag")) == 4
    Sweeper(gate.database, gate.staging, keep_seconds=60).sweep()
    assert gate.database.rows(sa.select(staged_files)) == []
    left = [path for path in (gate.built.folder / "var/staging/received").rglob("*") if path.is_file()]
    assert {path.name for path in left} <= {".lock"}


def test_names_of_members_stay_in_staging(gate: Gate) -> None:
    batch = brought(gate, zipped({"Doe_Jane/IM1": image()}))
    files = [row.file for row in gate.database.rows(sa.select(staged_files.c.file).where(staged_files.c.batch_id == batch))]
    assert sorted(gate.staging.name_of(file) for file in files) == ["Doe_Jane/IM1", "brought-0"]
    assert "Doe" not in repr(gate.database.rows(sa.select(staged_files)))


def test_archives_in_archives_are_unpacked_to_a_depth(gate: Gate) -> None:
    content = image()
    for _ in range(5):
        content = zipped({"inner.zip": content}, zipfile.ZIP_STORED)
    info = gate.review.info(brought(gate, content))
    (error,) = [finding for finding in info.findings if finding["severity"] == "error"]
    assert "archives lie in archives" in error["message"]


def test_archives_in_an_archive_share_its_budget(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("catalog.gate.check.job.Unpacker", functools.partial(Unpacker, limits=replace(SMALL, depth=3)))
    bomb = zipped({f"{number}.zip": zipped({"zeros": bytes(300_000)}) for number in range(12)})
    innermost = zipped({f"{number}.zip": bomb for number in range(3)})
    for exam, content in (("E001", bomb), ("E002", innermost)):
        batch = brought(gate, content, exam=exam)
        for _ in range(3):
            info = gate.review.info(batch)
            assert info.bytes < SMALL.free_bytes + len(content), "whatever the nesting, and however often it is checked"
            reasons = {finding["message"] for finding in info.findings if finding["severity"] == "error"}
            assert any("unpacks to more than 1 MiB" in reason for reason in reasons)
            gate.review.recheck(batch)
            gate.work()
    several = brought(gate, *(zipped({"zeros": bytes(300_000)}) for _ in range(5)), exam="E003")
    assert gate.review.info(several).files == 10, "archives beside each other have a budget each"


def test_archives_in_an_archive_share_the_number_of_files(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("catalog.gate.check.job.Unpacker", functools.partial(Unpacker, limits=SMALL))
    batch = brought(gate, zipped({f"{number}.zip": zipped({f"{n}": b"x" for n in range(20)}) for number in range(9)}))
    assert gate.review.info(batch).files <= 1 + SMALL.files


def test_an_archive_is_held_against_the_quota_of_who_brought_it(gate: Gate) -> None:
    worker = make_worker(
        gate.database, gate.staging, gate.store, gate.deidentification, gate.deadlines, limits=quota.Limits(per_user=1_000_000)
    )
    bomb = zipped({f"{number}.zip": zipped({"zeros": bytes(400_000)}) for number in range(5)})
    batch = gate.bring(bomb)
    gate.review.seal(batch)
    while worker.run_one(threading.Event()):
        pass
    info = gate.review.info(batch)
    assert info.bytes <= 1_000_000
    assert [one["message"] for one in info.findings if "quota" in one["message"]]


def test_checking_again_unpacks_nothing_twice(gate: Gate) -> None:
    batch = brought(gate, zipped(DICOM))
    gate.review.recheck(batch)
    gate.work()
    info = gate.review.info(batch)
    assert (info.files, [one["files"] for one in info.summary]) == (4, [3])
    assert [finding["check"] for finding in info.findings] == ["unpacked"]


def test_a_disc_comes_with_its_index(gate: Gate) -> None:
    directory = Dataset()
    directory.SOPClassUID, directory.SOPInstanceUID = "1.2.840.10008.1.3.10", "1.2.3"
    info = gate.review.info(brought(gate, image(), part10(directory)))
    assert [(finding["check"], finding["severity"]) for finding in info.findings] == [("unpacked", "note")]


def lying_zip(size: int) -> bytes:
    """Return a zip whose index and header tell another size than comes out."""
    packed = bytearray(zipped({"a": bytes(1 << 20)}))
    for signature, at in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        struct.pack_into("<L", packed, packed.index(signature) + at, size)
    return bytes(packed)


def encrypted_zip() -> bytes:
    packed = bytearray(zipped({"a": b"x" * 100}))
    for signature, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        place = packed.index(signature) + at
        packed[place] |= 1
    return bytes(packed)


def linked_zip() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        info = zipfile.ZipInfo("link")
        info.create_system, info.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
        archive.writestr(info, "/etc/passwd")
    return buffer.getvalue()


def overlapping_zip() -> bytes:
    """Return a zip whose index names the same bytes many times."""
    packed = zipped({"a": bytes(1 << 20)})
    start = packed.index(b"PK\x01\x02")
    end = packed.index(b"PK\x05\x06")
    entry = packed[start:end]
    many = entry * 40
    return packed[:start] + many + struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 40, 40, len(many), start, 0)


def tar_header(size: int, kind: bytes) -> bytes:
    info = tarfile.TarInfo("x")
    info.type, info.size = kind, size
    return info.tobuf(tarfile.GNU_FORMAT)


NOISE = {"a": random.Random(1).randbytes(100_000)}
HOSTILE = {
    "a bomb": zipped({"a": bytes(30 << 20)}),
    "a bomb of many": zipped({f"{n}": bytes(1 << 20) for n in range(30)}),
    "too many files": zipped({f"{n}": b"" for n in range(60)}),
    "an index too large": zipped({f"{n:0200}": b"" for n in range(40)}),
    "a size that lies small": lying_zip(10),
    "a size that lies large": lying_zip(0x7FFFFFFF),
    "encrypted": encrypted_zip(),
    "a link": linked_zip(),
    "overlapping": overlapping_zip(),
    "lzma": zipped({"a": b"x" * 100}, zipfile.ZIP_LZMA),
    "a name upwards": zipped({"../../etc/passwd": b"x"}),
    "an absolute name": zipped({"/etc/passwd": b"x"}),
    "a Windows name": zipped({"C:\\Windows\\x": b"x"}),
    "backslashes upwards": zipped({"a\\..\\..\\x": b"x"}),
    "cut off": zipped(DICOM)[:-40],
    "cut off in the middle": zipped(DICOM)[:900],
    "only a signature": b"PK\x03\x04",
    "a broken member": zipped({"a": b"0123456789"}, zipfile.ZIP_STORED).replace(b"0123456789", b"012345678X"),
    "tar: a name upwards": tarred({"../x": b"x"}),
    "tar: an absolute name": tarred({"/etc/cron.d/x": b"x"}),
    "tar: a symbolic link": tarred({"x": b""}, type=tarfile.SYMTYPE, linkname="/etc/passwd"),
    "tar: a hard link": tarred({"x": b""}, type=tarfile.LNKTYPE, linkname="/etc/passwd"),
    "tar: a device": tarred({"x": b""}, type=tarfile.CHRTYPE),
    "tar: a pipe": tarred({"x": b""}, type=tarfile.FIFOTYPE),
    "tar: a bomb": tarred({"x": bytes(30 << 20)}, "w:gz"),
    "tar: a header that fills the memory": gzip.compress(tar_header(4 << 30, tarfile.XHDTYPE) + bytes(30 << 20)),
    "tar: a long name that fills the memory": gzip.compress(tar_header(4 << 30, tarfile.GNUTYPE_LONGNAME) + bytes(30 << 20)),
    "tar: cut off": tarred(DICOM)[:-12_000],
    "tar: a bomb in bzip2": tarred({"x": bytes(30 << 20)}, "w:bz2"),
    "tar: a bomb in xz": tarred({"x": bytes(30 << 20)}, "w:xz"),
    "tar: a header that fills the memory, in xz": lzma.compress(tar_header(4 << 30, tarfile.XHDTYPE) + bytes(30 << 20)),
    "tar: a file with holes": tarred({"x": b"x" * 512}, type=tarfile.GNUTYPE_SPARSE),
    "tar: cut off within bzip2": tarred(DICOM, "w:bz2")[:-300],
    "tar: cut off within xz": tarred(DICOM, "w:xz")[:-300],
    "tar: damaged bzip2": bz2.compress(tarred(NOISE))[:4000] + bytes(400) + bz2.compress(tarred(NOISE))[4400:],
    "tar: a link in xz": tarred({"x": b""}, "w:xz", type=tarfile.SYMTYPE, linkname="/etc/passwd"),
    "tar: cut off within gzip": tarred(DICOM, "w:gz")[:-300],
    "tar: a file larger than the rest": tar_header(1 << 40, tarfile.REGTYPE) + bytes(2048),
    "tar: too many files": tarred({f"{n}": b"" for n in range(60)}),
}  # fmt: skip


def unpack(path: Path) -> int:
    """Unpack an archive as the gate does, into nowhere; return how many bytes came out."""
    budget, total = Budget(SMALL, path.stat().st_size), 0
    with path.open("rb") as file:
        is_zip = zips.is_zip(file.read(512))
    for member in zips.members(path, SMALL, budget) if is_zip else tars.members(path, budget):
        total += sum(len(chunk) for chunk in member.chunks)
    return total


@pytest.mark.parametrize("what", HOSTILE)
def test_what_is_hostile_is_refused_with_a_reason_and_little_memory(tmp_path: Path, what: str) -> None:
    path = tmp_path / "archive"
    path.write_bytes(HOSTILE[what])
    tracemalloc.start()
    try:
        with pytest.raises(Unreadable) as caught:
            unpack(path)
        assert tracemalloc.get_traced_memory()[1] < 40 << 20
    finally:
        tracemalloc.stop()
    assert len(str(caught.value)) > 30
    assert "passwd" not in str(caught.value)
    assert str(tmp_path) not in str(caught.value)


@pytest.mark.parametrize("what", ["encrypted", "a name upwards", "tar: a symbolic link", "cut off in the middle"])
def test_a_refused_archive_stays_out_alone_and_leaves_nothing(gate: Gate, what: str) -> None:
    batch = brought(gate, HOSTILE[what], image())
    info = gate.review.info(batch)
    errors = [finding for finding in info.findings if finding["severity"] == "error"]
    assert (info.files, len(errors)) == (2, 1)
    assert [file.state for file in gate.review.show(batch).files] == ["bad", "staged"]
    assert list((gate.built.folder / "var/staging/received").glob("*/[0-9]*")) == []


def test_damage_anywhere_is_refused_or_unpacked_and_never_more(tmp_path: Path) -> None:
    chance = random.Random(4711)
    path = tmp_path / "archive"
    for whole in (pack(DICOM) for pack in PACKS.values()):
        for _ in range(150):
            broken = bytearray(whole)
            for _ in range(chance.choice((1, 1, 4))):
                broken[chance.randrange(len(broken))] = chance.randrange(256)
            path.write_bytes(broken[: chance.choice((len(broken), chance.randrange(4, len(broken))))])
            with contextlib.suppress(Unreadable):
                assert unpack(path) <= 10 << 20


@pytest.mark.parametrize(
    ("raw", "name"),
    [
        ("a/b", "a/b"), ("./a//b", "a/b"), ("a\\b", "a/b"), ("__MACOSX/._a", None), ("x/.DS_Store", None),
        ("ä/\udcff", "ä/\udcff"),
    ],
)  # fmt: skip
def test_names_of_members(raw: str, name: str | None) -> None:
    assert member_name(raw) == name


@pytest.mark.parametrize("raw", ["", "/", "..", "a/../b", "/a", "\\a", "C:/a", "a\0b", "x" * 256, "a/" * 100 + "b"])
def test_names_that_are_none(raw: str) -> None:
    with pytest.raises(Unreadable):
        member_name(raw)


@pytest.mark.parametrize("name", ["Müller", "山田", "a\nb", "caf\u0301e", "\u202eexe"], ids=ascii)
def test_names_in_every_encoding_are_kept(gate: Gate, name: str) -> None:
    batch = brought(gate, tarred({f"{name}/x": image()}), zipped({f"{name}/y": image(instance=2)}))
    rows = gate.database.rows(sa.select(staged_files.c.file).where(staged_files.c.batch_id == batch))
    assert {f"{name}/x", f"{name}/y"} <= {gate.staging.name_of(row.file) for row in rows}


def test_names_that_are_no_text_are_kept(gate: Gate) -> None:
    batch = brought(gate, tarred({"\udcff\udcfe/x": image()}))
    rows = gate.database.rows(sa.select(staged_files.c.file).where(staged_files.c.batch_id == batch))
    assert "\udcff\udcfe/x" in {gate.staging.name_of(row.file) for row in rows}


def test_an_office_document_is_no_archive(tmp_path: Path) -> None:
    path = tmp_path / "a.docx"
    path.write_bytes(zipped({"[Content_Types].xml": b"", "word/document.xml": b""}))
    assert zips.is_document(path, SMALL)
    path.write_bytes(zipped({"a.npy": b"", "b.npy": b""}))
    assert zips.is_document(path, SMALL)
    path.write_bytes(zipped(DICOM))
    assert not zips.is_document(path, Limits())


def test_a_full_disk_takes_nothing_and_is_tried_again(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:

        def full(_session: Session) -> None:
            raise OutOfSpace("the staging folder cannot be written: the disk is full; free some space and try again")

        patch.setattr(Session, "sync", full)
        batch = brought(gate, zipped(DICOM))
    assert gate.review.info(batch).state is State.SEALED
    assert "disk is full" in gate.review.show(batch).job_error
    assert list((gate.built.folder / "var/staging/received").glob("*/[0-9]*")) == []
    with gate.database.write() as connection:
        connection.execute(jobs.update().values(not_before=0))
    gate.worker.run_one(threading.Event())
    assert gate.review.info(batch).files == 4


def test_a_stream_that_wants_much_memory_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "greedy"
    with subprocess.Popen(["xz", "--format=xz", "--lzma2=dict=1GiB,mode=fast,mf=hc3", "-c"], stdin=-1, stdout=-1) as packing:
        path.write_bytes(packing.communicate(tarred(DICOM))[0])
    assert not tars.is_tar(path)
    with pytest.raises(Unreadable):
        unpack(path)


def test_streams_one_after_the_other_are_one(tmp_path: Path) -> None:
    whole = tarred(NOISE)
    for kind in (bz2, lzma, gzip):
        path = tmp_path / "many"
        path.write_bytes(kind.compress(whole[:50_000]) + kind.compress(whole[50_000:]) + bytes(8))
        assert tars.is_tar(path)
        assert unpack(path) == 100_000
