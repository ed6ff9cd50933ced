"""`archimed node`: what it says, what JSON it prints, what it refuses."""

import json

from tests.builders import BuiltArchive
from tests.gateway.cli.conftest import Run, done, refused
from tests.gateway.dicom.node import free_port, storing_at
from tests.synthetic import image

WS1 = ("node", "add", "WS1", "--ae", "WORKSTATION1", "--host", "192.0.2.9", "--port", "104")


def test_nodes_come_and_go(archimed: Run, built: BuiltArchive) -> None:
    built.study("2008-0003")
    built.user("ada")
    assert done(archimed(*WS1, "--study", "2008-0003")) == "node WS1 added, asking as node-WS1\n"
    pacs = ("node", "add", "PACS", "--ae", "HOSPITAL", "--host", "192.0.2.10", "--port", "11112", "--as", "ada")
    assert done(archimed(*pacs, "--study", "2008-0003")) == "node PACS added, asking as ada\n"
    second, first = json.loads(done(archimed("node", "list", "--json")))
    assert (first["name"], first["ae_title"], first["host"], first["port"]) == ("WS1", "WORKSTATION1", "192.0.2.9", 104)
    assert (first["login"], first["studies"]) == ("node-WS1", None)
    assert (second["login"], second["studies"]) == ("ada", ["2008-0003"])
    grants = json.loads(done(archimed("grant", "list", "--json")))
    assert [(grant["login"], grant["study"]) for grant in grants] == [("node-WS1", "2008-0003")]
    done(archimed("node", "remove", "WS1"))
    assert [user["login"] for user in json.loads(done(archimed("user", "list", "--json")))] == ["ada"]
    actions = [entry["action"] for entry in json.loads(done(archimed("audit", "--json")))]
    assert actions == ["node.add", "node.add", "node.remove"]


def test_what_cannot_be_a_node(archimed: Run, built: BuiltArchive) -> None:
    done(archimed(*WS1))
    assert "another node has that name or AE title already" in refused(archimed(*WS1[:2], "ws2", *WS1[3:]))
    assert "there is no user" in refused(
        archimed("node", "add", "X", "--ae", "X", "--host", "::1", "--port", "1", "--as", "eve")
    )
    assert "host names are not taken" in refused(archimed("node", "add", "X", "--ae", "X", "--host", "ws", "--port", "1"))
    assert "a port is a number" in refused(archimed("node", "add", "X", "--ae", "X", "--host", "::1", "--port", "0"))
    assert "there is no node" in refused(archimed("node", "remove", "X"))


def test_files_are_sent_from_the_command_line(archimed: Run, built: BuiltArchive) -> None:
    built.user("ada")
    built.study("2008-0003")
    built.grant("ada", "2008-0003")
    built.add_series("2008-0003/E001/003_DCM_MR_t1", {"1.dcm": image(instance=1), "2.dcm": image(instance=2)})
    port = free_port()
    done(archimed(*WS1[:5], "--host", "127.0.0.1", "--port", str(port)))
    with storing_at(port, built.folder / "arrived") as arrived:
        assert done(archimed("send", "2008-0003/E001", "--to", "ws1", "--as", "ada")) == "2 of 2 files sent to WS1\n"
        assert len(list(arrived.iterdir())) == 2
    assert "there is no node" in refused(archimed("send", "2008-0003", "--to", "WS2", "--as", "ada"))
    assert "no such file or folder" in refused(archimed("send", "2008-0099", "--to", "WS1", "--as", "ada"))
