"""A C-STORE sender that costs as little as one can: raw sockets, prepared PDUs, one thread an association.

    python benchmarks/dicom_sender.py PORT --files 1000 --associations 4 [--ae MR1] [--pdu 131072]

Prints one JSON object: seconds, files a second, and how many were answered with success. The data set is a synthetic MR image
(512 x 512 x 16 bit noise) whose SOP instance UID differs from file to file. TCP_QUICKACK is set again before each answer is
awaited: without it receivers that answer in two writes wait for our delayed acknowledgement.
"""

import argparse
import io
import json
import os
import socket
import struct
import threading
import time

import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID
from pynetdicom import build_context
from pynetdicom.pdu import A_ASSOCIATE_AC, A_ASSOCIATE_RQ
from pynetdicom.pdu_primitives import A_ASSOCIATE, ImplementationClassUIDNotification, MaximumLengthNotification

MR = "1.2.840.10008.5.1.4.1.1.4"
EXPLICIT = "1.2.840.10008.1.2.1"
ROOT = "2.25.281474976710656"
_PLACE = b"9" * 40
"""Stands in the message where each file gets a UID of its own."""


def image() -> bytes:
    """Return an encoded data set of 526 kB without file meta information."""
    ds = Dataset()
    ds.SOPClassUID, ds.SOPInstanceUID = UID(MR), UID(_PLACE.decode())
    ds.StudyInstanceUID, ds.SeriesInstanceUID = UID(ROOT + ".1"), UID(ROOT + ".2")
    ds.PatientName, ds.PatientID, ds.StudyID, ds.AccessionNumber = "Bench^Mark", "BENCH", "1", "1"
    ds.PatientBirthDate, ds.PatientSex, ds.StudyDate, ds.StudyTime = "19700101", "O", "20200101", "120000"
    ds.Modality, ds.SeriesNumber, ds.InstanceNumber = "MR", 1, 1
    ds.Rows = ds.Columns = 512
    ds.BitsAllocated = ds.BitsStored = 16
    ds.HighBit, ds.PixelRepresentation, ds.SamplesPerPixel, ds.PhotometricInterpretation = 15, 0, 1, "MONOCHROME2"
    ds.PixelData = os.urandom(512 * 512 * 2)
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = UID(EXPLICIT)
    file = io.BytesIO()
    pydicom.dcmwrite(file, ds, enforce_file_format=True)
    return file.getvalue()[144 + int.from_bytes(file.getvalue()[140:144], "little") :]


def _element(number: int, value: bytes) -> bytes:
    return struct.pack("<HHI", 0, number, len(value)) + value


def message(data: bytes, longest: int) -> bytearray:
    """Return a whole C-STORE request with `_PLACE` in place of the SOP instance UID."""
    body = (
        _element(0x0002, MR.encode() + b"\0")
        + _element(0x0100, b"\x01\x00") + _element(0x0110, b"\x01\x00") + _element(0x0700, b"\0\0")
        + _element(0x0800, b"\0\0") + _element(0x1000, _PLACE)
    )  # fmt: skip
    command = _element(0, struct.pack("<I", len(body))) + body
    out = bytearray(struct.pack(">BxIIBB", 4, len(command) + 6, len(command) + 2, 1, 3) + command)
    room = longest - 6
    for start in range(0, len(data), room):
        piece = data[start : start + room]
        last = 2 if start + room >= len(data) else 0
        out += struct.pack(">BxIIBB", 4, len(piece) + 6, len(piece) + 2, 1, last) + piece
    return out


class Sender:
    """One association."""

    def __init__(self, address: tuple[str, int], calling: str, called: str, most: int) -> None:
        self.socket = socket.create_connection(address)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        request = A_ASSOCIATE()
        request.application_context_name = "1.2.840.10008.3.1.1.1"
        request.calling_ae_title, request.called_ae_title = calling, called
        context = build_context(MR, [EXPLICIT])
        context.context_id = 1
        request.presentation_context_definition_list = [context]
        length, implementation = MaximumLengthNotification(), ImplementationClassUIDNotification()
        implementation.implementation_class_uid = UID("1.2.3.4")
        request.user_information = [length, implementation]
        self.socket.sendall(A_ASSOCIATE_RQ(request).encode())
        answer = A_ASSOCIATE_AC()
        answer.decode(self._pdu())
        offered = answer.user_information.maximum_length
        self.longest = min(offered, most) if offered else most

    def _read(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
            more = self.socket.recv(count - len(data))
            if not more:
                raise ConnectionError("closed by the receiver")
            data += more
        return data

    def _pdu(self) -> bytes:
        head = self._read(6)
        return head + self._read(int.from_bytes(head[2:], "big"))

    def store(self, data: bytes | bytearray) -> int:
        """Send a message; return the status."""
        self.socket.sendall(data)
        answer = self._pdu()
        return struct.unpack_from("<H", answer, answer.index(struct.pack("<HHI", 0, 0x0900, 2)) + 8)[0]

    def release(self) -> None:
        self.socket.sendall(b"\x05\x00\x00\x00\x00\x04\x00\x00\x00\x00")
        self._read(10)
        self.socket.close()


def send(address: tuple[str, int], calling: str, called: str, files: int, associations: int, most: int) -> dict[str, float]:
    """Send `files` images over `associations`; return what came of it."""
    data = image()
    stamp = time.time_ns()
    numbers = iter(range(files))
    turn = threading.Lock()
    kept = [0] * associations
    senders = [Sender(address, calling, called, most) for _ in range(associations)]
    start = threading.Barrier(associations + 1)

    def work(index: int, sender: Sender) -> None:
        template = message(data, sender.longest)
        places = [template.index(_PLACE), template.rindex(_PLACE)]
        start.wait()
        while True:
            with turn:
                number = next(numbers, None)
            if number is None:
                break
            uid = f"2.25.{stamp}{number:07d}".encode().ljust(len(_PLACE), b"1")
            for place in places:
                template[place : place + len(uid)] = uid
            kept[index] += sender.store(template) == 0
        sender.release()

    threads = [threading.Thread(target=work, args=item) for item in enumerate(senders)]
    for thread in threads:
        thread.start()
    start.wait()
    begin = time.perf_counter()
    for thread in threads:
        thread.join()
    seconds = time.perf_counter() - begin
    return {"seconds": seconds, "files_per_second": files / seconds, "kept": sum(kept), "pdu": senders[0].longest}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("--files", type=int, default=1000)
    parser.add_argument("--associations", type=int, default=1)
    parser.add_argument("--ae", default="MR1")
    parser.add_argument("--called", default="ARCHIMED")
    parser.add_argument("--pdu", type=int, default=131072, help="longest PDU, if the receiver takes it")
    options = parser.parse_args()
    found = send(
        ("127.0.0.1", options.port), options.ae, options.called, options.files, options.associations, options.pdu
    )  # fmt: skip
    print(json.dumps(found))


if __name__ == "__main__":
    main()
