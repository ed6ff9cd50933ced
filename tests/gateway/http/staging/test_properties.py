"""What PROPFIND tells of properties that clients gave, and what a download becomes when its reader loses the study."""

import errno
import socket

import pytest

from catalog.administration import Actor, list_tokens, remove_grant, revoke_token, set_role
from catalog.pure.access import Role
from tests.behaviour.dropping import STUDY
from tests.behaviour.suite import eventually
from tests.gateway.http.serving import Serving
from tests.gateway.http.staging.conftest import FOLDER

EXPLORER = {"User-Agent": "Microsoft-WebDAV-MiniRedir/10.0.19045"}
SET = b"""<D:propertyupdate xmlns:D="DAV:"><D:set><D:prop>
<a:author xmlns:a="urn:x">somebody</a:author></D:prop></D:set></D:propertyupdate>"""


def asked(taking: Serving, body: str, depth: str = "0", **headers: str) -> str:
    form = f'<D:propfind xmlns:D="DAV:">{body}</D:propfind>'.encode() if body else b""
    answer = taking.request("PROPFIND", FOLDER, {"Depth": depth, **headers}, form)
    assert answer.status == 207
    return answer.text


@pytest.fixture
def described(taking: Serving) -> Serving:
    assert taking.request("PUT", f"{FOLDER}/a", body=b"1").status == 201
    assert taking.request("MKCOL", f"{FOLDER}/sub").status == 201
    for path in (f"{FOLDER}/a", f"{FOLDER}/sub"):
        assert "200 OK" in taking.request("PROPPATCH", path, body=SET).text
    return taking


@pytest.mark.parametrize("body", ["<D:allprop/>", ""])
def test_who_asks_for_all_gets_what_clients_gave(described: Serving, body: str) -> None:
    assert asked(described, body, "1").count(">somebody<") == 2
    assert "somebody" not in asked(described, body, "1", **EXPLORER), "a megabyte of answers is the most that it takes"


def test_who_asks_for_names_gets_theirs(described: Serving) -> None:
    told = asked(described, "<D:propname/>", "1")
    assert told.count("author") == 2
    assert "somebody" not in told
    assert "getcontentlength" in told


def test_a_digest_is_told_as_long_as_it_is_right(taking: Serving) -> None:
    wanted = '<D:prop><oc:checksums xmlns:oc="http://owncloud.org/ns"/></D:prop>'
    taking.request("PUT", f"{FOLDER}/a", {"OC-Checksum": "MD5:900150983cd24fb0d6963f7d28e17f72"}, b"abc")
    assert (
        "<oc:checksum>MD5:900150983cd24fb0d6963f7d28e17f72 SHA1:a9993e364706816aba3e25717850c26c9cd0d89d</oc:checksum>"
        in asked(taking, wanted, "1")
    )
    assert taking.request("MOVE", f"{FOLDER}/a", {"Destination": f"{FOLDER}/b"}).status == 201
    assert "900150983cd24fb0d6963f7d28e17f72" in asked(taking, wanted, "1")
    taking.request("PUT", f"{FOLDER}/b", body=b"abd")
    assert "MD5" not in asked(taking, wanted, "1")
    lie = SET.replace(b'a:author xmlns:a="urn:x"', b'a:checksums xmlns:a="http://owncloud.org/ns"').replace(
        b"author", b"checksums"
    )
    assert "403" in taking.request("PROPPATCH", f"{FOLDER}/b", body=lie).text


@pytest.mark.parametrize("lost", ["grant", "role", "token"])
def test_a_download_is_cut_off_when_its_reader_loses_it(own_taking: Serving, lost: str) -> None:
    size = 64 << 20
    assert own_taking.request("PUT", f"{FOLDER}/big", body=bytes(size)).status == 201
    database = own_taking.built.database
    with socket.create_connection(("127.0.0.1", own_taking.port), timeout=30) as reading:
        request = f"GET {FOLDER}/big HTTP/1.1\r\nHost: x\r\nAuthorization: {own_taking.authorization}\r\n\r\n"
        reading.sendall(request.encode())
        assert reading.recv(15) == b"HTTP/1.1 200 OK"
        if lost == "grant":
            remove_grant(database, Actor("root"), "anna", STUDY)
        elif lost == "role":
            set_role(database, Actor("root"), "anna", Role.LIMITED)
        else:
            revoke_token(database, Actor("root"), list_tokens(database)[0].id)
        assert eventually(lambda: reading.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == errno.ECONNRESET)


def test_a_download_that_nobody_takes_away_is_whole(own_taking: Serving) -> None:
    own_taking.request("PUT", f"{FOLDER}/big", body=b"b" * (3 << 20))
    for _ in range(3):
        assert own_taking.request("GET", f"{FOLDER}/big").body == b"b" * (3 << 20)
