"""De-identification, ours against others, in one run: ms a file with report and leak check, and what each leaves behind.

    python benchmarks/deid.py [--json FILE]
    python benchmarks/deid.py --many 20000          `archimed deid` over a folder of small files, on all cores

The others (dicom-anonymizer, dicognito) are measured if they can be imported; they are needed by nothing else.
"""

from __future__ import annotations

import argparse
import importlib.util
import io
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import pydicom
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset

sys.path.insert(0, str(Path(__file__).parents[1]))
import deid
from tests.deid.corpus import files
from tests.deid.hiding import MARK, PLACES

Tool = Callable[[Path], bytes]
KEY = b"k" * 32
SMALL, LARGE = ("MR_small.dcm", "CT_small.dcm", "rtplan.dcm"), 512 * 1024


def ours(engine: str) -> Tool:
    cleaner = deid.Cleaner(deid.load_profile(None), KEY, "A", "E001", pixels_approved=True, engine=engine)

    def run(path: Path) -> bytes:
        out = io.BytesIO()
        cleaner.clean(path, out)
        return out.getvalue()

    return run


def copied(path: Path) -> bytes:
    return path.read_bytes()


def rewritten(path: Path) -> bytes:
    out = io.BytesIO()
    ds = pydicom.dcmread(path, force=True)
    ds.walk(lambda _, __: None)
    ds.save_as(out)
    return out.getvalue()


def dicom_anonymizer() -> Tool | None:
    if importlib.util.find_spec("dicomanonymizer") is None:
        return None
    from dicomanonymizer import anonymize_dataset

    def run(path: Path) -> bytes:
        ds = pydicom.dcmread(path, force=True)
        anonymize_dataset(ds)
        out = io.BytesIO()
        ds.save_as(out)
        return out.getvalue()

    return run


def dicognito() -> Tool | None:
    if importlib.util.find_spec("dicognito") is None:
        return None
    from dicognito.anonymizer import Anonymizer

    anonymizer = Anonymizer(seed="k")

    def run(path: Path) -> bytes:
        ds = pydicom.dcmread(path, force=True)
        anonymizer.anonymize(ds)
        out = io.BytesIO()
        ds.save_as(out)
        return out.getvalue()

    return run


def timed(tool: Tool, path: Path, seconds: float = 0.15) -> float | None:
    """Milliseconds a file: the median of as many runs as fit, the first left out."""
    try:
        tool(path)
        runs = []
        end = time.perf_counter() + seconds
        while time.perf_counter() < end or len(runs) < 3:
            start = time.perf_counter()
            tool(path)
            runs.append(time.perf_counter() - start)
    except Exception:  # noqa: BLE001  another tool may fail in any way
        return None
    return statistics.median(runs) * 1000


def planted(folder: Path) -> dict[str, Path]:
    """One file for each hiding place."""
    found = {}
    for number, (place, plant) in enumerate(PLACES.items()):
        ds = Dataset()
        ds.SOPClassUID, ds.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.4", "1.3.12.2.1107.5.2.32.35162.1"
        ds.StudyInstanceUID, ds.SeriesInstanceUID = "1.3.12.2.1107.5.2.32.35162.2", "1.3.12.2.1107.5.2.32.35162.3"
        ds.PatientName, ds.PatientID, ds.PatientBirthDate, ds.Modality = "Some^Body", "P-1", "19570102", "MR"
        plant(ds)
        meta = FileMetaDataset()
        meta.TransferSyntaxUID = "1.2.840.10008.1.2.1"
        ds.file_meta = meta
        path = folder / f"{number}.dcm"
        ds.save_as(path, enforce_file_format=True)
        found[place] = path
    return found


def left_behind(tool: Tool, places: dict[str, Path]) -> list[str]:
    needle, left = MARK[:4].lower().encode(), []
    for place, path in places.items():
        try:
            if needle in tool(path).lower():
                left.append(place)
        except Exception:  # noqa: BLE001  another tool may fail in any way
            left.append(f"{place} (failed)")
    return left


def measure(tool: Tool, corpus: list[Path], big: Path, places: dict[str, Path]) -> dict[str, object]:
    by_name = {path.name: path for path in corpus}
    every = [ms for path in corpus if (ms := timed(tool, path, 0.01)) is not None]
    return {
        "managed": len(every),
        "mean_ms": round(statistics.fmean(every), 3),
        "median_ms": round(statistics.median(every), 3),
        **{name: round(timed(tool, by_name[name]) or 0, 3) for name in SMALL},
        "0.5 MB": round(timed(tool, big) or 0, 3),
        "left": len(left_behind(tool, places)),
    }


def many(count: int) -> None:
    """A folder of small images through `archimed deid`, beside a plain copy. CPU time counts where others work too."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "in").mkdir()
        (folder / "key").write_text(KEY.hex())
        for number in range(count):
            source = "CT_small.dcm" if number % 2 else "MR_small.dcm"
            if number < 2:
                ds = pydicom.dcmread(next(p for p in files() if p.name == source))
                ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = f"1.2.3.4.{'0' * 12}.{number}"
                ds.save_as(folder / source)
            plain = (folder / source).read_bytes()
            (folder / "in" / f"{number}.dcm").write_bytes(plain.replace(b"0" * 12, b"%012d" % (number + 10**11)))
        words = ["deid", "in", "--exam-code", "E001", "--out", "out", "--key-file", "key", "--pixels-approved"]
        for what, command in (
            ("copy", ["cp", "-r", "in", "copy"]),
            ("archimed deid", [sys.executable, "-m", "gateway.cli", *words]),
        ):
            before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
            subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
            wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
            used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
            print(f"{what:14} {count} files  wall {wall:.1f} s  CPU {used:.1f} s  {used / count * 1000:.2f} ms CPU a file")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--many", type=int, metavar="N")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    if options.many:
        many(options.many)
        return
    tools = {
        "copy": copied,
        "pydicom read+write": rewritten,
        "archimed fast": ours("fast"),
        "archimed safe": ours("safe"),
        "dicom-anonymizer": dicom_anonymizer(),
        "dicognito": dicognito(),
    }
    results: dict[str, dict[str, object]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        big = folder / "big.dcm"
        ds = pydicom.dcmread(next(p for p in files() if p.name == "MR_small.dcm"))
        ds.Rows = ds.Columns = 512
        ds.PixelData = bytes(LARGE)
        ds.save_as(big)
        places = planted(folder)
        corpus = [path for path in files() if not path.name.startswith("DICOMDIR")]
        for tool_name, tool in tools.items():
            if tool is not None:
                results[tool_name] = measure(tool, corpus, big, places)
    base = results["archimed fast"]["median_ms"]
    for tool_name, result in results.items():
        result["median to archimed fast's"] = round(float(str(result["median_ms"])) / float(str(base)), 2)
        print(f"{tool_name:20}", "  ".join(f"{key} {value}" for key, value in result.items()))
    if options.json:
        options.json.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
