"""What cannot work is said before the first change, in words that say what to do."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploy import deployed, images
from tests.deploy.ansible import PROGRAMS, Site
from tests.deploy.deployed import modes
from tests.deploy.machine import Machine

pytestmark = pytest.mark.timeout(600)
_EXPIRED = """
import datetime as dt, sys
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
key = ec.generate_private_key(ec.SECP256R1())
name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "archive.example.org")])
made = x509.CertificateBuilder(name, name, key.public_key(), 1, dt.datetime(2001, 1, 1), dt.datetime(2002, 1, 1))
sys.stdout.buffer.write(made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("faults")


@pytest.fixture(scope="module")
def site(place: Path, packed: Path) -> Iterator[Site]:
    with deployed.server(place / "machine") as made:
        yield deployed.site(made, place / "site", packed)
    shutil.rmtree(place / "machine")


@pytest.mark.parametrize(("variables", "said"), [
    ({"archimed_dicom_form": ["192.0.2.0/24"]}, "dicom_form: unknown variable; the nearest known one is archimed_dicom_from"),
    ({"archimed_nginx": "perhaps"}, "The value 'perhaps' is not a valid boolean"),
    ({"archimed_https_port": "eighty"}, "cannot be converted to an int"),
    ({"archimed_users": [{"login": "ada", "role": "king"}]}, "must be one of: limited, standard, power, administrator"),
    ({"archimed_grants": [{"login": "ada"}]}, "missing required arguments: study"),
    ({"archimed_bundle": ""}, "archimed_bundle is needed"),
    ({"archimed_bundle": "/etc/hostname"}, "is no bundle: make one with `make bundle`"),
    ({"archimed_bundle_sha256": "0f" * 32}, "has another digest than it should have: it was changed, or is another one"),
    ({"archimed_windows_kit": True}, "archimed_windows_kit needs archimed_nginx"),
    ({"archimed_tls_key_file": "server.key"}, "are needed together"),
    ({"archimed_secrets": {"../shadow": "x"}}, "a name in archimed_secrets is a file's name"),
    ({"archimed_required_mounts": ["/var/lib/archimed/store"]}, "nothing is mounted on /var/lib/archimed/store"),
])  # fmt: skip
def test_is_said_before_anything_changes(site: Site, variables: dict[str, object], said: str) -> None:
    _refused(site, said, **variables)


def test_a_bundle_whose_digest_nobody_gave(site: Site, place: Path, packed: Path) -> None:
    alone = shutil.copy(packed, place / "alone.tar")
    _refused(site, "archimed_bundle_sha256 is needed, the digest of the bundle", archimed_bundle=str(alone))
    digest = packed.with_name(packed.name + ".sha256").read_text().split()[0]
    alone.write_bytes(alone.read_bytes() + b"\0")
    _refused(site, "has another digest than it should", archimed_bundle=str(alone), archimed_bundle_sha256=digest)


def test_a_port_that_another_program_has(site: Site) -> None:
    site.machine.run("systemd-run", "--unit=stranger", "python3", "-m", "http.server", "--bind", "127.0.0.1", "8080")
    site.machine.wait(lambda: ":8080 " in site.machine.run("ss", "-ltn").stdout)
    try:
        _refused(site, "port 8080, which archimed-http.service needs, is taken: python3; stop that program, or choose another")
    finally:
        site.machine.run("systemctl", "stop", "stranger")


def test_an_expired_certificate(site: Site, place: Path) -> None:
    made = subprocess.run([PROGRAMS / "python", "-c", _EXPIRED], capture_output=True, check=True)
    (place / "expired.pem").write_bytes(made.stdout)
    _refused(
        site, "expired.pem cannot be used (notAfter=Jan  1 00:00:00 2002 GMT): get a new one", archimed_nginx=True,
        archimed_tls_certificate_file=str(place / "expired.pem"), archimed_tls_key_file=str(place / "expired.pem"),
    )  # fmt: skip


def test_a_certificate_that_is_not_for_this_server(site: Site, place: Path) -> None:
    for name, host in (("one", "other.example.org"), ("two", "archive.example.org")):
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc", "-days", "9", "-subj",
             f"/CN={host}", "-keyout", place / f"{name}.key", "-out", place / f"{name}.pem"],
            check=True, capture_output=True,
        )  # fmt: skip
    for certificate, key, said in (
        ("one.pem", "one.key", "one.pem is not for the name archive.example.org"),
        ("two.pem", "one.key", "two.pem, or has a passphrase"),
    ):
        _refused(
            site, said, archimed_nginx=True, archimed_tls_certificate_file=str(place / certificate),
            archimed_tls_key_file=str(place / key),
        )  # fmt: skip


def test_a_machine_without_fuse(place: Path, packed: Path) -> None:
    with Machine(place / "without-fuse", images.debian(*deployed.PACKAGES), fuse=False) as made:
        made.boot()
        _refused(deployed.site(made, place / "site-without-fuse", packed), "/dev/fuse is missing")


def test_packages_that_are_missing_where_there_is_no_network(place: Path, packed: Path) -> None:
    with Machine(place / "without-packages", images.debian("postgresql")) as made:
        made.boot()
        played = deployed.site(made, place / "site-without-packages", packed, archimed_nftables=True).play()
        assert played.failed == 1
        assert "these packages are missing and could not be installed: nftables." in played.output


def _refused(site: Site, said: str, **variables: object) -> None:
    before = modes(site.machine, "/etc", "/opt", "/usr/local", "/srv")
    played = site.play(**variables)
    assert played.status != 0
    assert said in " ".join(played.output.replace("\\", "").split()).replace("Jan 1 00", "Jan  1 00"), played.output[-3000:]
    assert played.changed == 0
    assert modes(site.machine, "/etc", "/opt", "/usr/local", "/srv") == before
