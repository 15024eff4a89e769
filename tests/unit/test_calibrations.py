"""The calibrations that are kept: found again, replaced whatever was there, and refused before they are made."""

import pathlib

import msgspec
import pytest

from llm_latency_lens.model.calibration import Calibration, CostModel
from llm_latency_lens.store.calibrations import (
    check_cache,
    has_outdated_calibration,
    load_calibration,
    save_calibration,
)

MACHINE = {"cpu": "a"}
MADE = Calibration(
    errors={}, cost=CostModel(request=0.0, read=0.0, event=0.0, byte=0.0),
    workers=1, concurrency=64, event_rate=50.0, at="", machine=MACHINE,
)  # fmt: skip
OLD = msgspec.json.encode(MADE).replace(b"calibration/2", b"calibration/1")


@pytest.mark.parametrize(
    ("there", "outdated"), [(b"", False), (b"{", False), (b"[]", False), (b"{}", True), (OLD, True)]
)
def test_q6_what_is_no_calibration_of_this_version_is_replaced(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, there: bytes, *, outdated: bool
) -> None:
    """Q6: an unreadable file is none, one of another version is known as such; the next one takes its place."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert load_calibration(MACHINE, 1) is None
    path = save_calibration(MADE)
    assert load_calibration(MACHINE, 1) == MADE
    path.write_bytes(there)
    assert load_calibration(MACHINE, 1) is None
    assert has_outdated_calibration(MACHINE, 1) is outdated
    assert save_calibration(MADE) == path
    assert (load_calibration(MACHINE, 1), has_outdated_calibration(MACHINE, 1)) == (MADE, False)


def test_q6_a_cache_is_tried_before_a_calibration_is_made(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Q6: one that can be written is left as it was; a file in its place raises, as does a folder that takes none."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    check_cache(MACHINE, 1)
    assert not [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(OSError, match="file"):
        check_cache(MACHINE, 1)
    (tmp_path / "sealed").mkdir()
    (tmp_path / "sealed" / "llm-latency-lens").symlink_to("/proc/self")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "sealed"))
    with pytest.raises(OSError, match=r"proc|llm-latency-lens"):
        check_cache(MACHINE, 1)
