"""From the configuration to an open catalogue."""

import sqlalchemy as sa

from gateway.cli.init import prepare
from gateway.config import load
from gateway.wiring import database_url, open_database

PASSWORD = "p@ss:w/ört%20 #1"


def test_password_goes_into_the_url_and_nowhere_else(tmp_path):
    (tmp_path / "password").write_text(f"{PASSWORD}\nsecond line\n")
    file = tmp_path / "archimed.toml"
    file.write_text('[catalog]\nurl = "postgresql+psycopg://archimed@db/archimed"\npassword_file = "password"\n')
    config = load(file)
    assert sa.engine.make_url(database_url(config)).password == PASSWORD
    assert PASSWORD not in repr(config)


def test_a_postgresql_catalogue_is_made_and_opened(tmp_path, postgresql_url):
    file = tmp_path / "archimed.toml"
    file.write_text(
        f'[catalog]\nurl = "{postgresql_url}"\n[store]\npath = "store"\n[staging]\npath = "staging"\n[deid]\nkey_file = "key"\n'
    )
    config = load(file)
    assert "created at revision" in prepare(config)[0]
    assert "is at revision" in prepare(config)[0]
    open_database(config).close()
