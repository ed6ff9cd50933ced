"""A C-STORE sender such as a scanner has, run as `python -m gateway.demo.sender HOST PORT CALLING CALLED`.

Each line on stdin is a JSON list of files, sent on one association as they lie on the disk, without decoding; the answer is one
line on stdout with a JSON list of DIMSE statuses, -1 for a file that was not sent.
"""

import json
import sys
import warnings
from pathlib import Path

from pydicom.filereader import read_file_meta_info
from pynetdicom import AE, _config
from pynetdicom.association import Association

NOT_SENT = -1


def send(address: tuple[str, int], calling: str, called: str, files: list[str]) -> list[int]:
    """Send files on one association and return the status of each."""
    kinds = [_kind(file) for file in files]
    entity = AE(ae_title=calling)
    for sop_class, syntax in dict.fromkeys(kinds):
        entity.add_requested_context(sop_class, syntax)
    association = entity.associate(*address, ae_title=called)
    if not association.is_established:
        return [NOT_SENT] * len(files)
    try:
        return [_store(association, file) for file in files]
    finally:
        association.release()


def _kind(file: str) -> tuple[str, str]:
    meta = read_file_meta_info(file)
    return str(meta.MediaStorageSOPClassUID), str(meta.TransferSyntaxUID)


def _store(association: Association, file: str) -> int:
    try:
        status = association.send_c_store(Path(file))
    except (ValueError, RuntimeError):
        return NOT_SENT
    return int(status.Status) if "Status" in status else NOT_SENT


def main() -> None:
    """Send what stdin names."""
    warnings.simplefilter("ignore")  # about values in the files: they go as they are
    _config.STORE_SEND_CHUNKED_DATASET = True
    host, port, calling, called = sys.argv[1:]
    for line in sys.stdin:
        print(json.dumps(send((host, int(port)), calling, called, json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
