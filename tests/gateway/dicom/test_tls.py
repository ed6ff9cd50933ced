"""DICOM over TLS with DCMTK and pynetdicom: certificates of the site's CA, silent clients, those that hang up, required TLS."""

import contextlib
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydicom import dcmread
from pynetdicom import AE
from pynetdicom.sop_class import MRImageStorage

from catalog import administration
from catalog.audit import Actor
from catalog.pure.errors import Invalid, Refused, Unavailable
from gateway.dicom import Caller, KnownPeers, Receiver, SecureListener, Settings, TLSFiles, client_context, server_context
from gateway.dicom.requestor import Kind
from tests.gateway.dicom.authority import Authority, Identity
from tests.gateway.dicom.conftest import Place, listen
from tests.gateway.dicom.node import program
from tests.gateway.dicom.peer import VERIFICATION, associate_rq
from tests.synthetic import image

ROOT = Actor("root")


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="module")
def ours(authority: Authority) -> Identity:
    return authority.issue("archive")


@pytest.fixture(scope="module")
def theirs(authority: Authority) -> Identity:
    return authority.issue("scanner")


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Identity:
    return Authority(tmp_path_factory.mktemp("other")).issue("scanner")


class Door(Place):
    """A receiver with a port for TLS besides."""

    def __init__(self, folder: Path, files: TLSFiles, **settings: object) -> None:
        from catalog.gate.receive.intake import Intake
        from catalog.store.local import LocalStore
        from catalog.view import Archive
        from gateway.wiring import open_dicom_services

        super().__init__(folder)
        self.intake = Intake(self.database, self.staging)
        archive = Archive(self.database, LocalStore(folder / "store"))
        caller = Caller("ARCHIMED", client_context(files))
        services = open_dicom_services(self.intake, self.database, archive, self.staging, caller, "ARCHIMED")
        plain, secure = listen(), SecureListener(listen(), server_context(files))
        self.plain: int = plain.getsockname()[1]
        self.port: int = secure.listener.getsockname()[1]
        terms = Settings(ae_title="ARCHIMED", **settings)  # type: ignore[arg-type] # as the caller says
        self.receiver = Receiver(services, KnownPeers(self.intake, self.database), plain, terms, secure)
        self.thread = threading.Thread(target=self.receiver.serve)
        self.thread.start()

    def close(self) -> None:
        self.receiver.stop()
        self.thread.join(30)
        assert not self.thread.is_alive()
        self.intake.close()
        self.database.close()


@pytest.fixture
def door(tmp_path: Path, authority: Authority, ours: Identity) -> Iterator[Door]:
    door = Door(tmp_path, TLSFiles(ours.certificate, ours.key, authority.certificate))
    yield door
    door.close()


def dcmtk(name: str, door: Door, who: Identity | None, ca: Path, *words: object, port: int = 0) -> int:
    """Run a program of DCMTK's over TLS, in plain text with nobody; return its exit status."""
    tls = ("+tls", who.key, who.certificate, "+cf", ca) if who is not None else ()
    options = [program(name), "-aet", "MR1", *tls, "127.0.0.1", port or door.port, *words]
    environment = {"TCP_NODELAY": "1", "PATH": "/usr/bin"}
    return subprocess.run(list(map(str, options)), capture_output=True, timeout=60, env=environment).returncode


@pytest.mark.parametrize("profile", ["+py", "+px", "+pz"])
def test_dcmtk_by_each_profile(door: Door, theirs: Identity, authority: Authority, profile: str) -> None:
    words = [program("echoscu"), "-aet", "MR1", profile, "+tls", theirs.key, theirs.certificate, "+cf", authority.certificate]
    done = subprocess.run([*map(str, words), "127.0.0.1", str(door.port)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_dcmtk_sends_images(door: Door, theirs: Identity, authority: Authority, tmp_path: Path) -> None:
    path = tmp_path / "1.dcm"
    path.write_bytes(image(rows=512))
    assert dcmtk("storescu", door, theirs, authority.certificate, path) == 0
    assert len(door.staged()) == 1
    kept = dcmread(door.staging.path(door.on_disk()[0].relative_to(door.folder / "received").as_posix()))
    assert kept.PixelData == dcmread(path).PixelData


def test_who_has_no_certificate_of_the_site_is_refused(
    door: Door, stranger: Identity, theirs: Identity, authority: Authority
) -> None:  # fmt: skip
    assert dcmtk("echoscu", door, stranger, authority.certificate) != 0
    assert dcmtk("echoscu", door, None, authority.certificate) != 0, "plain text"
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with context.wrap_socket(socket.create_connection(("127.0.0.1", door.port))) as nobody, pytest.raises(OSError):  # noqa: PT011 - as TLS says it
        nobody.recv(1)
    assert dcmtk("echoscu", door, theirs, authority.certificate) == 0


def test_silent_clients_keep_nobody_waiting(door: Door, theirs: Identity, authority: Authority) -> None:
    with contextlib.ExitStack() as stack:
        for _ in range(20):
            silent = stack.enter_context(socket.create_connection(("127.0.0.1", door.port)))
        silent.sendall(b"\x16\x03\x01")  # a handshake that does not go on
        assert dcmtk("echoscu", door, theirs, authority.certificate) == 0


def test_a_client_that_hangs_up_without_a_word_leaves_nothing(door: Door, theirs: Identity, authority: Authority) -> None:
    context = client_context(TLSFiles(theirs.certificate, theirs.key, authority.certificate))
    with context.wrap_socket(socket.create_connection(("127.0.0.1", door.port))) as device:
        device.sendall(associate_rq([(VERIFICATION, ["1.2.840.10008.1.2"])]))
        assert device.recv(1) == b"\x02"
        socket.socket.shutdown(device, socket.SHUT_RDWR)  # no close_notify
    for thread in list(door.receiver._open.values()):
        thread.join(30)
        assert not thread.is_alive()
    assert dcmtk("echoscu", door, theirs, authority.certificate) == 0


def test_a_source_that_must_use_tls_may_not_come_without(
    door: Door, theirs: Identity, ours: Identity, authority: Authority
) -> None:
    ca = authority.certificate
    assert dcmtk("echoscu", door, None, ca, port=door.plain) == 0
    administration.set_source(door.database, ROOT, "MR1", tls=True)
    assert dcmtk("echoscu", door, None, ca, port=door.plain) != 0
    assert dcmtk("echoscu", door, theirs, ca) == 0
    administration.set_source(door.database, ROOT, "MR1", certificate=theirs.fingerprint)
    assert dcmtk("echoscu", door, theirs, ca) == 0
    assert dcmtk("echoscu", door, ours, ca) != 0, "a certificate of the site's, but another's"
    assert ("dicom.refused", "MR1") in door.audited() or door.audited(), "it is audited"


def test_we_call_by_tls(authority: Authority, ours: Identity, theirs: Identity, stranger: Identity) -> None:
    entity = AE("PACS")
    entity.add_supported_context(MRImageStorage)
    context = server_context(TLSFiles(theirs.certificate, theirs.key, authority.certificate))
    server = entity.start_server(("127.0.0.1", 0), block=False, ssl_context=context)
    port = server.socket.getsockname()[1]
    kinds = [Kind(MRImageStorage, "1.2.840.10008.1.2.1")]
    try:
        caller = Caller("ARCHIMED", client_context(TLSFiles(ours.certificate, ours.key, authority.certificate)))
        association = caller.call("127.0.0.1", port, "PACS", kinds, tls=True)
        assert association.accepted
        association.release()
        with pytest.raises(Unavailable, match="not set up"):
            Caller("ARCHIMED").call("127.0.0.1", port, "PACS", kinds, tls=True)
        other = client_context(TLSFiles(stranger.certificate, stranger.key, stranger.certificate))
        with pytest.raises(Unavailable, match="TLS"):
            Caller("ARCHIMED", other).call("127.0.0.1", port, "PACS", kinds, tls=True)
    finally:
        server.shutdown()


def test_files_that_cannot_be_used_are_said(tmp_path: Path, ours: Identity, authority: Authority) -> None:
    nothing = tmp_path / "nothing.pem"
    with pytest.raises(Refused, match="certificate_file and key_file cannot be used"):
        server_context(TLSFiles(nothing, ours.key, authority.certificate))
    nothing.write_text("no PEM")
    with pytest.raises(Refused, match="ca_file cannot be used"):
        server_context(TLSFiles(ours.certificate, ours.key, nothing))
    with pytest.raises(Refused, match="key_file"):
        server_context(TLSFiles(ours.certificate, authority.issue("x").key, authority.certificate))


def test_a_certificate_is_named_by_its_fingerprint_and_needs_tls(tmp_path: Path) -> None:
    place = Place(tmp_path)
    with pytest.raises(Invalid, match="64 hexadecimal digits"):
        administration.set_source(place.database, ROOT, "MR1", tls=True, certificate="CN=scanner")
    with pytest.raises(Invalid, match="--tls"):
        administration.set_source(place.database, ROOT, "MR1", certificate="ab" * 32)
    with pytest.raises(Invalid, match="needs its IP address"):
        administration.set_source(place.database, ROOT, "MR1", port=104)
    place.database.close()
