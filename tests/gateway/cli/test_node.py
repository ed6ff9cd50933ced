"""`archimed node`: what it says, what JSON it prints, what it refuses."""

import json

from tests.builders import BuiltArchive
from tests.gateway.cli.conftest import Run, done, refused

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
