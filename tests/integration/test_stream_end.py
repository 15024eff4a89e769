"""Streams that end by their own marker while the HTTP response is left open."""

import json
import pathlib

import pytest
from tests.support.command import lll
from tests.support.exchanges import (
    DONE,
    FINISH,
    MS,
    STREAM,
    TOKENS,
    RunAsync,
    asked,
    exchanges,
    one,
)
from tests.support.hostile import (
    Step,
    hostile,
    request,
    send,
    silence,
    wait,
)

from llm_latency_lens.model.recording import EndKind
from llm_latency_lens.model.request import HttpRequest
from llm_latency_lens.transport.exchange import LiveTransport

KEEP_ALIVE = b"d\r\n: heartbeat\n\n\r\n"


def test_a_stream_that_is_left_open_costs_a_tenth_of_a_second(run_async: RunAsync) -> None:
    """After the end marker the request is over; the connection is not used again."""
    with hostile(request(), send(STREAM + TOKENS + FINISH + DONE), silence()) as server:
        found = run_async(exchanges(LiveTransport(), asked(server.port), asked(server.port)))
        assert server.accepted == 2
    for recording in found:
        marks = recording.marks
        assert recording.ending.kind is EndKind.LEFT_OPEN
        assert marks.head is not None
        assert 100 * MS <= marks.ended - marks.head < 1000 * MS


def test_keep_alives_behind_the_end_do_not_prolong_it(run_async: RunAsync) -> None:
    """However often they come."""
    steps: list[Step] = [send(KEEP_ALIVE), wait(0.02)]
    script = [request(), send(STREAM + TOKENS + FINISH + DONE), *(steps * 200)]
    with hostile(*script) as server:
        recording = one(run_async, asked(server.port))
    assert recording.ending.kind is EndKind.LEFT_OPEN
    assert recording.marks.ended - (recording.marks.head or 0) < 2500 * MS


def test_keep_alives_behind_a_finish_reason_do_not_hold_off_the_idle_timeout(
    run_async: RunAsync,
) -> None:
    """Without an end marker nothing else is due; before the finish reason they do hold it off."""
    steps: list[Step] = [wait(0.15), send(KEEP_ALIVE)]
    with hostile(request(), send(STREAM + TOKENS + FINISH), *(steps * 20), silence()) as server:
        ended = one(run_async, asked(server.port), idle_timeout=300 * MS)
    script = [request(), send(STREAM + TOKENS), *(steps * 5), send(FINISH + DONE + b"0\r\n\r\n")]
    with hostile(*script, silence()) as server:
        whole = one(run_async, asked(server.port), idle_timeout=300 * MS)
    assert ended.ending.kind is EndKind.IDLE_TIMEOUT
    assert "keep-alives" in ended.ending.detail
    assert ended.marks.ended - (ended.marks.head or 0) < 1500 * MS
    assert whole.ending.kind is EndKind.COMPLETE


@pytest.mark.parametrize("dialect", ["", "bedrock"])
def test_without_a_known_marker_only_http_ends_a_response(
    run_async: RunAsync, dialect: str
) -> None:
    """No answer is cut short by what its text says."""
    with hostile(request(), send(STREAM + TOKENS + DONE), silence()) as server:
        quiet = HttpRequest(method="POST", url=asked(server.port).url, headers=(), dialect=dialect)
        recording = one(run_async, quiet, idle_timeout=300 * MS)
    assert recording.ending.kind is EndKind.IDLE_TIMEOUT


def test_a_left_open_answer_is_ok_and_flagged(tmp_path: pathlib.Path) -> None:
    """A benchmark over such a server neither fails nor waits for the idle timeout."""
    with hostile(request(), send(STREAM + TOKENS + FINISH + DONE), silence()) as server:
        url = f"http://127.0.0.1:{server.port}/v1"
        found = lll("profile", "openai:m", "--base-url", url, "-p", "x", "--json", cwd=tmp_path)
    record = json.loads(found.out)["record"]
    assert record["outcome"]["kind"] == "ok"
    assert "left_open" in record["flags"]
