"""What `staging show` prints of a batch."""

import pytest

from catalog.gate.review.queries import BatchDetails, BatchInfo, StagedFileInfo
from catalog.pure.batches import State
from gateway.cli.showing import print_details
from gateway.records.gate import batch_details


def test_a_batch_of_cleaned_and_uncleaned_series_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    known = {"modality": "MR", "file_type": "DCM_MR", "files": 1, "patient": 1}
    summary = [
        {"label": "3", "series": 3, **known},  # held whole, or published as it was
        {"label": "4", "series": 4, **known, "done": {"remove": 2}, "rules": {"2026c X: remove": 2}},
    ]
    for series in (summary, summary[::-1]):
        info = BatchInfo(
            id=1, state=State.PUBLISHED, source="", study="S", exam="E", files=2, bytes=2, findings=[], summary=series,
            follows=None, reason="", opened=0, last_write=0, decided_by="", decided=None, uploader="", dropped=False,
        )  # fmt: skip
        print_details(batch_details(BatchDetails(info, files=[], about={}, progress=0, job_error=""), ()), as_json=False)
        shown = capsys.readouterr().out
        assert "2 remove" in shown
        assert shown.count("DCM_MR") == 2


def test_series_of_different_kinds_stand_in_one_table(capsys: pytest.CaptureFixture[str]) -> None:
    summary = [{"label": "3", "files": 2, "patient": "1"}, {"file_type": "TABLE", "files": 1}]
    info = BatchInfo(
        id=1, state=State.OPEN, source="MR1", study="", exam="", files=23, bytes=9, findings=[], summary=summary, follows=None,
        reason="", opened=0, last_write=0, decided_by="", decided=None, uploader="", dropped=False,
    )  # fmt: skip
    files = [StagedFileInfo(number, 3, "received", "", f"raw/{number}.dat") for number in range(23)]
    print_details(batch_details(BatchDetails(info, files, {}, 0, ""), []), as_json=False)
    shown = capsys.readouterr().out
    assert "LABEL" in shown
    assert "TABLE" in shown
    assert "raw/7.dat" in shown
    assert "… and 3 more" in shown
