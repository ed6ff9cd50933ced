"""A name, planted at every door of a deployed machine by who may type there, and the search for where it can be read after."""

import base64
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests import synthetic
from tests.deploy.ansible import NAME as SERVER
from tests.deploy.deployed import ARCHIMED, STUDY, curl, outside
from tests.deploy.machine import Machine

NAME = "ZZPLANT"
STRANGER = "ZZSTRANGER"  # an AE title, which the audit of refused senders names on purpose
EXAM = f"/staging/{STUDY}/E009"
_CONF = "/etc/nginx/conf.d/archimed.conf"
_IN_CREDENTIALS = base64.b64encode(NAME[:6].encode()).decode()
# All but the staging folder, people's own folders and the archive as they see it.
_SEARCH = """
find /var /run /tmp /dev/shm /etc /root /usr/local -path /var/lib/archimed/staging -prune -o -type f -print0 |
    xargs -0 grep --files-with-matches --text --fixed-strings --no-messages "$@"
journalctl --boot --output export | grep --text --fixed-strings "$@" | cut -c 1-200
runuser -u postgres -- pg_dump archimed | grep --text --fixed-strings "$@" | cut -c 1-200
"""


def over_http(machine: Machine, authority: Path, home: Path) -> None:
    """Type it in paths, queries, logins, passwords, headers and bodies of requests, good ones and bad ones."""
    file = home / f"{NAME}.dat"
    file.write_bytes(bytes(1000))

    def ask(path: str, *more: str, login: str = "ada") -> None:
        curl(machine, authority, path, login, "--output", "/dev/null", "--max-time", "60", *more)

    one = f"{EXAM}/{NAME}-M%C3%BCller.dat"
    what = "<lockscope><exclusive/></lockscope><locktype><write/></locktype>"
    # The owner of a lock is the one thing that the catalogue keeps as a client says it (docs/security.md).
    locked = f'<lockinfo xmlns="DAV:">{what}<owner>ada at {SERVER}</owner></lockinfo>'
    metadata = base64.b64encode(f"{NAME}-large.dat".encode()).decode()
    ask(EXAM, "--request", "MKCOL")
    ask(f"{one}?{NAME}=1", "--upload-file", str(file), "--referer", f"https://{NAME}.example", "--user-agent", NAME)
    ask(EXAM, "--request", "PROPFIND", "--header", "Depth: 1")
    ask(one, "--request", "LOCK", "--data", locked)
    ask(one, "--request", "MOVE", "--header", f"Destination: https://{SERVER}{EXAM}/{NAME}-moved.dat")
    ask(f"{EXAM}/{NAME}-folder", "--request", "MKCOL")
    upload = ("Tus-Resumable: 1.0.0", "Upload-Length: 9", f"Upload-Metadata: filename {metadata}")
    ask(EXAM, "--request", "POST", *(word for header in upload for word in ("--header", header)))
    for path in (
        f"/archive/{STUDY}/{NAME}?q={NAME}", f"/desk/batches/{NAME}?{NAME}", f"/desk/{NAME}", f"/{NAME}", f"/windows/{NAME}",
        f"/api/v1/query?q={NAME}", f"/metrics?{NAME}", f"/{NAME}{'x' * 9000}",
    ):  # fmt: skip
        ask(path)
    for credentials in (f"{NAME}:{NAME}", f"ada:{NAME}", f"lea:{NAME}", f"{NAME}\\ada:{NAME}", f"ada@{NAME}:{NAME}"):
        ask("/archive/", "--user", credentials)
    ask("/", "--request", NAME)
    ask("/", "--header", f"X-Large: {NAME * 6000}")
    outside(machine, "curl", "--silent", "--output", "/dev/null", "--user", f"{NAME}:{NAME}", f"http://127.0.0.1/{NAME}?{NAME}")
    tls = "openssl s_client -quiet -connect 127.0.0.1:443"
    for script in (
        f"printf 'GET /{NAME}\\001 HTTP/1.1\\r\\nHost: {NAME} {NAME}\\r\\n\\r\\n' | {tls} -servername {NAME}.example",
        f"printf 'GET /{NAME} HTTP/1.1\\r\\n\\r\\n' | {tls}",
        f"printf '{NAME}' | {tls} -tls1",
        f"curl --silent http://127.0.0.1:443/{NAME}",
    ):
        outside(machine, "sh", "-c", script, check=False)


def over_the_rest(machine: Machine, home: Path, sftp: Sequence[str | Path]) -> None:
    """Type it by SFTP, on both mounts and on the command line, and in DICOM files of senders known and unknown."""
    file = home / f"{NAME}.dat"
    file.write_bytes(bytes(1000))
    batch = home / "batch"
    there = EXAM.removeprefix("/staging/")
    batch.write_text(
        f"-mkdir {there}\n-put {file} {there}/\n-get {there}/{NAME}-none\n-rename {there}/{NAME}.dat {there}/{NAME}-2.dat\n"
    )
    outside(machine, *sftp[:1], "-b", batch, *sftp[1:])
    here = f"/srv/staging/ada/{there}"
    for script in (
        f"echo x >{here}/{NAME}-mount.dat", f"cat {here}/{NAME}-none", f"ln -s {NAME} {here}/{NAME}-link",
        f"cat '/srv/archive/ada/{STUDY}/{NAME}'", f"echo x >/srv/archive/ada/{NAME}", f"echo x >/srv/staging/ada/{NAME}/x",
    ):  # fmt: skip
        machine.run("sh", "-c", script, user="ada", check=False)
    machine.run(ARCHIMED, "ls", f"/{NAME}", "--as", "ada", check=False)
    sent = home / "dicom"
    sent.mkdir(exist_ok=True)
    content = synthetic.image(study="9", patient=f"{NAME}^Anna", patient_id=f"{NAME}1", description=f"{NAME} t1", StudyID=NAME)
    (sent / f"{NAME}.dcm").write_bytes(content)
    (sent / "broken.dcm").write_bytes(content[:-100])
    for sender, receiver in (("MR_SENDER", "ARCHIMED"), (STRANGER, "ARCHIMED"), ("MR_SENDER", STRANGER)):
        outside(machine, "storescu", "-aet", sender, "-aec", receiver, "127.0.0.1", "11112", "+sd", sent, check=False)


@contextmanager
def nginx_that_refuses(machine: Machine) -> Iterator[None]:
    """Have nginx say 413 to more than 500 bytes, 503 to who comes often, and 504 after a second."""
    before = (machine.root / _CONF.lstrip("/")).read_text()
    machine.write(_CONF, "limit_req_zone $server_name zone=few:1m rate=30r/m;\n" + before.replace(
        "client_max_body_size 0;", "client_max_body_size 500;\n    limit_req zone=few burst=5 nodelay;"
    ).replace("proxy_read_timeout 1h;", "proxy_read_timeout 1s;"))  # fmt: skip
    machine.run("systemctl", "restart", "nginx")  # a reload leaves the old workers at it for a while
    try:
        yield
    finally:
        machine.write(_CONF, before)
        machine.run("systemctl", "restart", "nginx")


def found(machine: Machine, *words: str) -> list[str]:
    """Return where outside of staging one of the words can be read: files, lines of the journal and of the catalogue."""
    patterns = [option for word in words for option in ("-e", word)]
    return machine.run("sh", "-c", _SEARCH, "sh", *patterns, check=False, timeout=300).stdout.splitlines()


def every_form() -> tuple[str, str]:
    """Return the name as it is typed, and as it stands in credentials."""
    return NAME, _IN_CREDENTIALS
