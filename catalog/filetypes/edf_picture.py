"""Some seconds of a recording as a picture: a line for each signal, with its name."""

from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from catalog.filetypes import traces
from catalog.filetypes.model import Look, Preview
from catalog.filetypes.picture import MOST_BYTES
from catalog.pure.errors import Unreadable

_FIXED, _PER_SIGNAL = 256, 256
_LABEL, _SAMPLES = 16, 216  # bytes a signal: of its name, and before how many samples it has in a record
_SECONDS = 10
_MOST_SIGNALS, _MOST_DRAWN, _MOST_RECORDS = 4096, 40, 10_000_000


@dataclass(frozen=True, slots=True)
class _Recording:
    """What the header says: names and samples a record of its signals, bytes a sample, records, seconds a record."""

    names: tuple[str, ...]
    samples: tuple[int, ...]
    width: int
    records: int
    seconds: float

    @property
    def record_bytes(self) -> int:
        return sum(self.samples) * self.width

    @property
    def at_once(self) -> int:
        """How many records a picture shows."""
        return max(1, int(_SECONDS / self.seconds)) if self.seconds > 0 else 1


def preview(file: BinaryIO, look: Look, *, annotations: tuple[bytes, ...], is_bdf: bool) -> Preview | None:
    """Show ten seconds, the first ones unless others are asked for; None if it has no signals.

    Raises:
        Unreadable: it has signals, and they cannot be shown.
    """
    recording = _header(file, is_bdf=is_bdf)
    silent = {name.decode() for name in annotations}
    drawn = [index for index, name in enumerate(recording.names) if name not in silent][:_MOST_DRAWN]
    if not drawn:
        return None
    frames = -(-recording.records // recording.at_once)
    frame = min(max(0, look.frame or 0), frames - 1)
    size = recording.at_once * recording.record_bytes
    if size > MOST_BYTES:
        raise Unreadable("ten seconds of it are too much to be shown")
    file.seek(_FIXED + len(recording.names) * _PER_SIGNAL + frame * size)
    data = file.read(size)
    signals = [(recording.names[index], _signal(recording, data, index)) for index in drawn]
    data, height = traces.draw(signals, look.side)
    return Preview("image/png", data, frame, frames, traces.WIDTH, height)


def _header(file: BinaryIO, *, is_bdf: bool) -> _Recording:
    head = file.read(_FIXED)
    try:
        count, records, seconds = int(head[252:256]), int(head[236:244]), float(head[244:252])
        if not (0 < count <= _MOST_SIGNALS and 0 < records <= _MOST_RECORDS):
            raise Unreadable("it does not say how much it holds")
        rest = file.read(count * _PER_SIGNAL)
        names = tuple(rest[at : at + _LABEL].decode("latin-1").strip() for at in range(0, count * _LABEL, _LABEL))
        first = _SAMPLES * count
        samples = tuple(int(rest[at : at + 8]) for at in range(first, first + 8 * count, 8))
    except ValueError:
        raise Unreadable("its header is damaged") from None
    if min(samples) < 0 or not any(samples):
        raise Unreadable("it does not say how many samples it holds")
    return _Recording(names, samples, 3 if is_bdf else 2, records, seconds)


def _signal(recording: _Recording, data: bytes, index: int) -> NDArray[np.float32]:
    before, count = sum(recording.samples[:index]) * recording.width, recording.samples[index]
    whole = len(data) // recording.record_bytes
    records = np.frombuffer(data, np.uint8, whole * recording.record_bytes).reshape(whole, recording.record_bytes)
    raw = np.ascontiguousarray(records[:, before : before + count * recording.width]).reshape(-1, recording.width)
    if recording.width == 2:
        return raw.view("<i2").reshape(-1).astype(np.float32)
    wide = np.zeros((len(raw), 4), np.uint8)
    wide[:, 1:] = raw
    return (wide.view("<i4").reshape(-1) >> 8).astype(np.float32)
