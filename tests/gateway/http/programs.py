"""Programs that people use, run against the real server."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.gateway.http.serving import Serving

PATIENCE = 120


def run(*command: str | Path, **more: object) -> str:
    """Run a program, which must succeed, and return all it printed."""
    done = subprocess.run(
        [str(part) for part in command], text=True, timeout=PATIENCE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **more
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@contextmanager
def davfs_mount(serving: Serving, part: str, mode: str, *options: str) -> Iterator[Path]:
    """Mount `part` (`archive` or `staging`) in `mode` (`ro` or `rw`), as root does by /etc/fstab.

    Its daemon drops to a user of its own. `options` are lines of davfs2.conf.
    """
    if os.geteuid() != 0 or not Path("/dev/fuse").exists():
        pytest.skip("mounting with davfs2 takes root and /dev/fuse")
    folder = Path(tempfile.mkdtemp(prefix="archimed-davfs-"))
    folder.chmod(0o755)
    mount, cache, conf, secrets = (folder / name for name in ("mount", "cache", "conf", "secrets"))
    mount.mkdir()
    cache.mkdir()
    shutil.chown(cache, group="davfs2")
    cache.chmod(0o775)
    # Since Linux 6.16 the kernel asks for more of a folder at once than davfs2's 16 KiB can hold: EINVAL without `buf_size`.
    lines = ["ask_auth 0", "buf_size 256", f"cache_dir {cache}", f"secrets {secrets}", *options]
    conf.write_text("".join(f"{line}\n" for line in lines))
    url = f"{serving.url}/{part}/"
    secrets.write_text(f"{url} {serving.login} {serving.token}\n")
    for file in (conf, secrets):
        file.chmod(0o600)
    try:
        run("mount", "-t", "davfs", "-o", f"{mode},conf={conf}", url, mount)
        try:
            yield mount
        finally:
            run("umount", mount)
    finally:
        shutil.rmtree(folder)
