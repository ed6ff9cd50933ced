"""A real slapd with TLS on loopback, certificates of its own, a small company in it; and servers that misbehave."""

import contextlib
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import ldap3

BASE = "dc=example,dc=org"
SERVICE = f"cn=archimed,{BASE}"
SECRET = "service secret"
_ADMIN = f"cn=admin,{BASE}"
_ADMIN_SECRET = "admin secret"

# Names as in Active Directory, under numbers that are nobody's.
_SCHEMA = """
attributetype ( 1.1.2.1.1 NAME 'sAMAccountName' EQUALITY caseIgnoreMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 SINGLE-VALUE )
attributetype ( 1.1.2.1.2 NAME 'userPrincipalName' EQUALITY caseIgnoreMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 SINGLE-VALUE )
attributetype ( 1.1.2.1.3 NAME 'userAccountControl' EQUALITY integerMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.27 SINGLE-VALUE )
attributetype ( 1.1.2.1.4 NAME 'accountExpires' EQUALITY integerMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.27 SINGLE-VALUE )
objectclass ( 1.1.2.2.1 NAME 'adUser' SUP top AUXILIARY
  MAY ( sAMAccountName $ userPrincipalName $ userAccountControl $ accountExpires ) )
"""

_CONFIG = """
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
include /etc/ldap/schema/nis.schema
include {folder}/ad.schema
pidfile {folder}/pid
modulepath /usr/lib/ldap
moduleload back_mdb
moduleload memberof
TLSCACertificateFile {folder}/ca.pem
TLSCertificateFile {folder}/localhost.pem
TLSCertificateKeyFile {folder}/localhost.key
security simple_bind=128
access to attrs=userPassword by anonymous auth by * none
access to * by users read by anonymous auth
database mdb
suffix {base}
rootdn {admin}
rootpw "{secret}"
directory {folder}/db
overlay memberof
"""

PEOPLE: dict[str, dict[str, str]] = {
    "Anna": {"userPassword": "Pässwört €", "userPrincipalName": "anna@example.org", "userAccountControl": "512"},
    "ben": {"userPassword": "right", "accountExpires": "9223372036854775807"},
    "disabled": {"userPassword": "right", "userAccountControl": "514"},
    "expired": {"userPassword": "right", "accountExpires": "131592384000000000"},
    "past": {"userPassword": "right", "shadowExpire": "17000"},
    "bare": {},
    "star*": {"userPassword": "right"},
}
GROUPS = {  # in an order in which each member exists
    "readers": ["uid=ben,ou=people," + BASE],
    "Ärzte": ["uid=Anna,ou=people," + BASE],
    "staff": ["cn=Ärzte,ou=groups," + BASE],
    "circle": ["cn=staff,ou=groups," + BASE],
}


def group(name: str) -> str:
    return f"cn={name},ou=groups,{BASE}"


def make_certificates(folder: Path, address: str = "127.0.0.1") -> None:
    """Write a CA, certificates it signed for localhost (and an address) and for another host, and one of another CA."""

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)

    def request(name: str) -> list[str]:
        key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", f"{name}.key"]
        return ["req", *key, "-subj", f"/CN={name}"]

    for name in ("ca", "other-ca"):
        openssl(*request(name), "-x509", "-days", "2", "-out", f"{name}.pem")
    signed = {"localhost": ("localhost", "ca"), "elsewhere": ("dc9.example.org", "ca"), "forged": ("localhost", "other-ca")}
    for name, (host, signer) in signed.items():
        openssl(*request(name), "-out", f"{name}.csr")
        more = f",IP:{address}" if host == "localhost" else ""
        (folder / f"{name}.ext").write_text(f"subjectAltName=DNS:{host}{more}\n")
        openssl(
            "x509", "-req", "-in", f"{name}.csr", "-CA", f"{signer}.pem", "-CAkey", f"{signer}.key", "-CAcreateserial",
            "-days", "2", "-extfile", f"{name}.ext", "-out", f"{name}.pem",
        )  # fmt: skip


class Slapd:
    """A running slapd; `ldaps` and `ldap` are its URLs. It takes passwords through TLS only."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        program = shutil.which("slapd", path="/usr/sbin:/usr/bin:/sbin")
        assert program, "slapd is missing; `make test` installs it (Debian package slapd)"
        make_certificates(folder)
        self.ca = folder / "ca.pem"
        (folder / "db").mkdir()
        (folder / "ad.schema").write_text(_SCHEMA)
        config = folder / "slapd.conf"
        config.write_text(_CONFIG.format(folder=folder, base=BASE, admin=_ADMIN, secret=_ADMIN_SECRET))
        with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as two:
            self.port, self.tls_port = one.getsockname()[1], two.getsockname()[1]
        self.ldap, self.ldaps = f"ldap://localhost:{self.port}", f"ldaps://localhost:{self.tls_port}"
        listeners = f"ldap://127.0.0.1:{self.port} ldaps://127.0.0.1:{self.tls_port}"
        # -d stays in the foreground; 0 says nothing.
        self.process = subprocess.Popen([program, "-f", config, "-h", listeners, "-d", "0"], stderr=subprocess.DEVNULL)
        self._fill()

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(30)

    def admin(self) -> ldap3.Connection:
        # Whether certificates are checked is what the tests are about, not the fixture.
        tls = ldap3.Tls(validate=ssl.CERT_NONE)
        server = ldap3.Server("localhost", self.tls_port, use_ssl=True, tls=tls, get_info=ldap3.NONE)
        return ldap3.Connection(server, _ADMIN, _ADMIN_SECRET, auto_bind=True, raise_exceptions=True)

    def _fill(self) -> None:
        connection = self._first_connection()
        connection.add(BASE, ["dcObject", "organization"], {"o": "Example"})
        for unit in ("people", "groups", "twins"):
            connection.add(f"ou={unit},{BASE}", "organizationalUnit")
        connection.add(SERVICE, ["applicationProcess", "simpleSecurityObject"], {"userPassword": SECRET})
        kinds = ["inetOrgPerson", "adUser", "shadowAccount"]
        for login, more in PEOPLE.items():
            about = {"sn": login, "cn": login, "sAMAccountName": login, **more}
            connection.add(f"uid={login.strip('*')},ou=people,{BASE}", kinds, about)
        for number in ("1", "2"):
            about = {"sn": "x", "cn": "x", "sAMAccountName": "twin", "userPassword": "right"}
            connection.add(f"uid={number},ou=twins,{BASE}", kinds, about)
        for name, members in GROUPS.items():
            connection.add(group(name), "groupOfNames", {"member": members})
        # A circle, as administrators do make them.
        connection.modify(group("Ärzte"), {"member": [(ldap3.MODIFY_ADD, [group("circle")])]})
        connection.unbind()

    def _first_connection(self) -> ldap3.Connection:
        for _ in range(200):
            assert self.process.poll() is None, "slapd ended"
            with contextlib.suppress(ConnectionRefusedError):
                socket.create_connection(("127.0.0.1", self.tls_port), 10).close()
                return self.admin()
            threading.Event().wait(0.05)
        raise AssertionError("slapd does not answer")


class Misbehaving:
    """A server of one's own on loopback; `serve` gets each connection, and when it returns the connection is closed."""

    def __init__(self, serve: Callable[[socket.socket, int], None]) -> None:
        self._serve = serve
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"ldaps://localhost:{self._listener.getsockname()[1]}"
        self.connections = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._one, args=(connection, self.connections), daemon=True).start()

    def _one(self, connection: socket.socket, number: int) -> None:
        with connection:
            try:
                self._serve(connection, number)
            except OSError:
                return


def with_certificate(folder: Path, name: str, then: Callable[[ssl.SSLSocket], None]) -> Callable[[socket.socket, int], None]:
    """Return a server that shows a certificate and then does something."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / f"{name}.pem", folder / f"{name}.key")

    def serve(connection: socket.socket, _number: int) -> None:
        with context.wrap_socket(connection, server_side=True) as wrapped:
            then(wrapped)

    return serve


def cutting(port: int, doomed: int, after_blocks: int) -> Callable[[socket.socket, int], None]:
    """Return a proxy to `port` that cuts connection number `doomed` after so many blocks from the client."""

    def serve(connection: socket.socket, number: int) -> None:
        with socket.create_connection(("127.0.0.1", port)) as onward:
            back = threading.Thread(target=_pump, args=(onward, connection, None), daemon=True)
            back.start()
            _pump(connection, onward, after_blocks if number == doomed else None)
            onward.shutdown(socket.SHUT_RDWR)
            back.join(30)

    return serve


def _pump(source: socket.socket, target: socket.socket, most: int | None) -> None:
    seen = 0
    try:
        while block := source.recv(65536):
            if seen == most:
                return
            seen += 1
            target.sendall(block)
    except OSError:
        return
