"""What administrators and people of the role power change through the API, and what is refused."""

from urllib.parse import quote

import pytest

from catalog.administration import Scope
from catalog.audit import entries
from tests.behaviour.dropping import staging_of
from tests.binning import Binning
from tests.gateway.api.door import Door

ROOT = ("root", Scope.ADMIN)


def test_an_administrator_makes_studies_users_and_grants(own_door: Door) -> None:
    assert own_door.send("POST", "/studies", *ROOT, json={"code": "S2", "end_date": "2031-12-31"}).status_code == 201
    assert own_door.send("POST", "/users", *ROOT, json={"login": "mia", "role": "standard"}).json["role"] == "standard"
    assert own_door.send("POST", "/grants", *ROOT, json={"login": "mia", "study": "s2"}).json["study"] == "S2"
    assert own_door.send("POST", "/grants", *ROOT, json={"login": "mia", "study": "S2"}).status_code == 409
    assert [each["code"] for each in own_door.get("/studies", "mia").json] == ["S2"]
    assert own_door.send("PATCH", "/studies/S2", *ROOT, json={"description": "knees"}).json["description"] == "knees"
    assert own_door.send("DELETE", "/grants/mia/S2", *ROOT).status_code == 204
    assert own_door.get("/studies", "mia").json == []
    made = [(each.actor, each.acting_as, each.action) for each in entries(own_door.built.database)]
    assert ("root", "root", "grant.remove") in made


def test_whoever_is_told_what_is_wrong_is_told_its_name(own_door: Door) -> None:
    refused = own_door.send("POST", "/grants", *ROOT, json={"login": "nobody", "study": "S1"})
    assert (refused.status_code, refused.json["detail"]) == (404, "there is no user nobody; see `archimed user list`")


def test_an_administrator_sees_that_a_study_is_there_and_not_what_is_in_it(own_door: Door) -> None:
    listed = own_door.get("/studies?all=true", "root", Scope.ADMIN, Scope.READ).json
    assert [each["code"] for each in listed] == ["S1", "SECRET"]
    assert own_door.get("/studies?all=true", "root", Scope.READ).status_code == 403
    assert own_door.get("/studies?all=true", "paula", Scope.ADMIN, Scope.READ).status_code == 403
    assert own_door.get("/studies/S1/exams", "root").status_code == 404


def test_a_token_is_made_told_once_and_revoked(own_door: Door) -> None:
    secret = own_door.send("POST", "/tokens", *ROOT, json={"login": "lea", "seconds": 3600}).json["secret"]
    assert own_door.client.get("/api/v1/", auth=("lea", secret), headers={"Host": "x"}).json["scopes"] == ["read"]
    number = max(each["id"] for each in own_door.get("/tokens", *ROOT).json)
    assert own_door.send("DELETE", f"/tokens/{number}", *ROOT).status_code == 204
    assert own_door.client.get("/api/v1/", auth=("lea", secret), headers={"Host": "x"}).status_code == 401


def test_roles_below_administrator_administer_nothing(own_door: Door) -> None:
    for path in (
        "/users",
        "/grants",
        "/sources",
        "/tokens",
        "/nodes",
        "/jobs",
        "/holds",
        "/audit",
        "/audit/reads",
        "/audit/exams",
    ):
        assert own_door.get(path, "paula", Scope.ADMIN).status_code == 403, path
        assert own_door.get(path, "root", Scope.ADMIN).status_code == 200, path
    assert own_door.send("POST", "/users", "paula", Scope.ADMIN, json={"login": "x", "role": "power"}).status_code == 403


def test_the_bin(own_door: Door) -> None:
    body = {"paths": ["S1/E1/001_DCM_MR_t1/00002.dcm"], "reason": "wrong slice"}
    assert own_door.send("POST", "/bin", "lea", Scope.ADMIN, json=body).status_code == 403
    (asked,) = own_door.send("POST", "/bin", "paula", Scope.ADMIN, json=body).json
    assert asked["state"] == "putting"
    Binning(own_door.built).work(asked["id"])
    assert own_door.get(f"/bin/{asked['id']}", "paula", Scope.ADMIN).json["state"] == "binned"
    assert own_door.get("/stat/S1/E1/001_DCM_MR_t1/00002.dcm", "lea").status_code == 404
    assert own_door.get(f"/bin/{asked['id']}", "root", Scope.ADMIN).status_code == 404, "root has no grant"
    assert own_door.send("POST", f"/bin/{asked['id']}/restore", "paula", Scope.ADMIN).status_code == 202
    Binning(own_door.built).work(asked["id"])
    assert own_door.get("/stat/S1/E1/001_DCM_MR_t1/00002.dcm", "lea").status_code == 200


def test_ten_thousand_paths_at_once(own_door: Door) -> None:
    paths = [f"S1/E1/001_DCM_MR_t1/{number:05d}.dcm" for number in range(10_000)]
    assert own_door.send("POST", "/bin", "paula", Scope.ADMIN, json={"paths": paths, "reason": "x"}).status_code == 404
    more = own_door.send("POST", "/bin", "paula", Scope.ADMIN, json={"paths": [*paths, "x"], "reason": "x"})
    assert (more.status_code, more.json["errors"][0]["where"]) == (400, "paths")


def test_corrections(own_door: Door) -> None:
    body = {"kind": "rename_exam", "path": "S1/E1", "value": "E9", "reason": "typed wrongly"}
    asked = own_door.send("POST", "/corrections", "paula", Scope.ADMIN, json=body)
    assert (asked.status_code, asked.json["state"]) == (202, "queued")
    assert own_door.get("/corrections", "paula", Scope.ADMIN).json == [asked.json]
    job = own_door.get("/jobs", *ROOT).json[-1]
    assert job["correction"] == asked.json["id"]
    assert own_door.send("POST", f"/jobs/{job['id']}/retry", *ROOT).status_code == 200
    assert own_door.send("POST", f"/jobs/{job['id']}/cancel", *ROOT, json={"reason": "not now"}).json["state"] == "failed"
    assert own_door.send("POST", f"/jobs/{job['id']}/cancel", *ROOT, json={"reason": "again"}).status_code == 409


@pytest.mark.parametrize(
    "query",
    [
        "limit=0", "limit=-1", "limit=10001", "limit=99999999999999999999", "limit=1&limit=1", "limit=abc", "limit=",
        "nothing=1", "after=%ff%fe", "after=%00", "after=" + "x" * 8001, "all=perhaps",
        "&".join(f"a{number}=1" for number in range(101)),
    ],
)  # fmt: skip
def test_parameters_that_do_not_fit(door: Door, query: str) -> None:
    reply = door.get(f"/studies?{query}")
    assert (reply.status_code, reply.content_type) == (400, "application/problem+json")
    assert "x" * 100 not in reply.text


@pytest.mark.parametrize(
    ("sent", "kind"),
    [
        (b"", "application/json"), (b"{", "application/json"), (b"[]", "application/json"),
        (b'{"reason": 5}', "application/json"), (b'{"reason": "x", "more": 1}', "application/json"),
        (b'{"reason": "\xff"}', "application/json"), (b'{"reason": "\\ud800"}', "application/json"),
        (b'{"reason": "x"}', "text/plain"), (b"reason=x", ""),
        (b'{"reason": "' + b"x" * 2_000_000 + b'"}', "application/json"), (b"[" * 100_000, "application/json"),
    ],
)  # fmt: skip
def test_bodies_that_do_not_fit(door: Door, sent: bytes, kind: str) -> None:
    reply = door.send("POST", "/batches/1/reject", "anna", Scope.STAGING, data=sent, headers={"Content-Type": kind})
    assert (reply.status_code, reply.content_type) == (400, "application/problem+json")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/studies/2008-0003", 405), ("DELETE", "/", 405), ("TRACE", "/studies", 405), ("GET", "/nothing", 404),
        ("GET", "/batches/99999999999999999999", 404), ("GET", "/batches/-1", 404), ("GET", "/batches/x", 404),
        ("GET", "/studies/%00", 404), ("GET", "/studies/" + "x" * 300, 404),
        ("GET", "/tree/../../etc", 404), ("GET", "/tree/_nothing", 404), ("GET", "/openapi.json/x", 404),
        ("PUT", "/openapi.json", 405), ("OPTIONS", "/studies", 405),
    ],
)  # fmt: skip
def test_addresses_and_methods_that_are_not_there(door: Door, method: str, path: str, status: int) -> None:
    reply = door.send(method, path, "anna", *Scope)
    assert (reply.status_code, reply.content_type) == (status, "application/problem+json"), reply.text
    assert (status != 405) or reply.headers["Allow"]


def test_a_path_that_is_not_utf_8(door: Door) -> None:
    reply = door.send("GET", "/studies/x", environ_overrides={"PATH_INFO": "/api/v1/studies/\xff"})
    assert (reply.status_code, reply.content_type) == (400, "application/problem+json")


def test_head_is_get_without_its_body(door: Door) -> None:
    for path in ("/", "/studies", "/tree", "/stats", "/query?q=" + quote("has size")):
        asked, told = door.send("HEAD", path), door.get(path)
        assert (asked.status_code, asked.data) == (200, b"")
        assert list(asked.headers) == list(told.headers)


def test_a_page_of_another_site_changes_nothing(own_door: Door) -> None:
    body = {"login": "mallory", "role": "administrator"}
    for site in ("cross-site", "same-site"):
        reply = own_door.send("POST", "/users", *ROOT, json=body, headers={"Sec-Fetch-Site": site})
        assert reply.status_code == 400
    assert "mallory" not in own_door.get("/users", *ROOT).text


def test_centres_and_grants_of_them(own_door: Door) -> None:
    assert own_door.send("POST", "/studies/S1/centres", *ROOT, json={"code": "LYON"}).json["exams"] == 0
    body = {"login": "lea", "study": "SECRET", "until": "2000-01-01"}
    assert own_door.send("POST", "/grants", *ROOT, json=body).status_code == 400
    body = {"login": "root", "study": "S1", "centres": ["LYON"], "until": "2099-01-01T00:00:00Z"}
    made = own_door.send("POST", "/grants", *ROOT, json=body).json
    assert (made["centres"], made["until"]) == (["LYON"], "2099-01-01T00:00:00Z")
    assert [each["users"] for each in own_door.get("/studies/S1/centres", *ROOT).json] == [["root"]]
    assert own_door.get("/studies/S1/exams", "root").json == []
    assert own_door.send("DELETE", "/studies/S1/centres/LYON", *ROOT).status_code == 403


def test_folders_to_bring_files_into(own_door: Door) -> None:
    staging_of(own_door.built).prepare()
    ask = ("rita", Scope.STAGING)
    made = own_door.send("POST", "/uploads", *ask, json={"path": "S1/E7/größe #1/deep"})
    assert (made.status_code, made.json) == (201, {"address": "/staging/S1/E7/gr%C3%B6%C3%9Fe%20%231/deep/"})
    assert own_door.send("POST", "/uploads", *ask, json={"path": "/S1/E7/"}).status_code == 201
    for path, status in (("S1", 400), ("SECRET/E1", 404), ("NOTHING/E1", 404), ("S1/../x", 400), ("S1/E7/" + "x" * 240, 201)):
        assert own_door.send("POST", "/uploads", *ask, json={"path": path}).status_code == status, path
    assert own_door.send("POST", "/uploads", "lea", Scope.STAGING, json={"path": "S1/E7"}).status_code == 404


def test_a_batch_is_brought_sealed_and_rejected(own_door: Door) -> None:
    staging_of(own_door.built).prepare()
    ask = ("rita", Scope.STAGING)
    own_door.send("POST", "/uploads", *ask, json={"path": "S1/E7"})
    (batch,) = own_door.get("/batches?state=open&state=sealed&study=S1", *ask).json
    assert (batch["exam"], batch["uploader"], batch["files"]) == ("E7", "rita", 0)
    where = f"/batches/{batch['id']}"
    assert own_door.send("POST", f"{where}/accept", *ask, json={"study": "S1", "exam": "E7"}).status_code == 403
    assert own_door.get(where, *ask).json["staged"] == []
    assert own_door.send("POST", f"{where}/reject", *ask, json={"reason": "wrong"}).json["state"] == "rejected"
    assert own_door.send("POST", f"{where}/restore", *ask).json["state"] == "sealed"
    assert own_door.get(where, "lea", Scope.STAGING).status_code == 404
    assert own_door.get("/batches?since=2999-01-01", *ask).json == []
    assert [each.actor for each in entries(own_door.built.database) if each.action == "batch.reject"] == ["rita"]
