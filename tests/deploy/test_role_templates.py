"""What the role writes, as text: it agrees with the units, and nginx's log has no place for what a client typed."""

import re
from collections.abc import Sequence
from pathlib import Path

import jinja2
import pytest

TOP = Path(__file__).parents[2]
UNITS = sorted(TOP.joinpath("systemd").glob("*.service"))
_TEMPLATES = TOP / "ansible/roles/archimed/templates"


def rendered(name: str, **variables: object) -> str:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES), undefined=jinja2.StrictUndefined, trim_blocks=True, autoescape=False
    )
    environment.filters["difference"] = lambda some, others: [each for each in some if each not in others]
    environment.filters["regex_replace"] = lambda text, pattern, by: re.sub(pattern, by, text)
    return environment.get_template(name).render(
        ansible_managed="by a test", ansible_facts={"all_ipv6_addresses": ["::1"]}, archimed_postgresql=False,
        archimed_required_mounts=[], archimed_secrets={}, archimed_sftp=False, archimed_nginx=True, archimed_pam=False,
        archimed_server_name="archive.example.org", archimed_server_aliases=[], archimed_http_port=80, archimed_https_port=443,
        archimed_max_upload=0, archimed_windows_kit=True, **variables,
    )  # fmt: skip


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_a_folder_elsewhere_is_as_open_to_each_unit_as_the_usual_one(unit: Path) -> None:
    said = rendered(
        "site.conf.j2", item=unit.name, __archimed_folders=[], __archimed_known_secrets=[], __archimed_directory_secret="",
        __archimed_settings={"store": {"path": "/data/store"}, "staging": {"path": "/data/staging"}},
        __archimed_var="/var/lib/archimed", __archimed_door="/run/archimed-http", __archimed_catalogue_is_away=False,
        __archimed_sftp_folders={}, __archimed_backup_folders=["/mnt/backup"],
    )  # fmt: skip
    is_backup = unit.stem == "archimed-backup"
    assert ("ReadWritePaths=-/mnt/backup" in said, "RequiresMountsFor=/mnt/backup" in said) == (is_backup, is_backup)
    for folder in ("store", "staging"):
        own = re.findall(rf"^(\w+Paths)=-/var/lib/archimed/{folder}$", unit.read_text(), re.MULTILINE)
        assert re.findall(rf"^(\w+Paths)=-/data/{folder}$", said, re.MULTILINE) == (own or ["ReadWritePaths"]), folder


def nginx() -> str:
    return rendered(
        "nginx.conf.j2", __archimed_settings={"http": {"socket": "/run/archimed-http/proxy.sock"}}, __archimed_kit="/kit",
        __archimed_tls="/tls", __archimed_nginx_log="/var/log/nginx/archimed.log",
        __archimed_nginx_errors="/var/log/nginx/error.log",
    )  # fmt: skip


def servers() -> Sequence[str]:
    return re.findall(r"^server \{\n.*?^\}$", nginx(), re.MULTILINE | re.DOTALL)


def test_nginxs_log_has_no_place_for_what_a_client_typed() -> None:
    (form,) = re.findall(r"^log_format archimed (.*?);", nginx(), re.MULTILINE | re.DOTALL)
    assert set(re.findall(r"\$(\w+)", form)) == {
        "time_iso8601", "remote_addr", "archimed_method", "status", "body_bytes_sent", "request_time",
        "upstream_status", "upstream_connect_time", "upstream_header_time",
    }  # fmt: skip
    assert len(servers()) == 2
    for server in servers():
        assert re.findall(r"^    access_log (.*);", server, re.MULTILINE)[0] in {"off", "/var/log/nginx/archimed.log archimed"}
        assert re.findall(r"^    error_log \S+ (\w+);", server, re.MULTILINE) == ["emerg"]


def test_the_port_without_tls_redirects_and_does_nothing_else() -> None:
    (plain,) = [server for server in servers() if " ssl;" not in server]
    assert "return 301 https://archive.example.org$request_uri;" in plain
    assert "location" not in plain
    assert "proxy_pass" not in plain


def test_bodies_and_answers_are_buffered_nowhere() -> None:
    (tls,) = [server for server in servers() if " ssl;" in server]
    assert {"proxy_request_buffering off;", "proxy_buffering off;", "proxy_max_temp_file_size 0;"} <= {
        line.strip() for line in tls.splitlines()
    }
