"""Where the time of a request went: parts add up to the whole, and nothing is explained twice."""

import msgspec
import pytest
from tests.support.records import MS, answered

from llm_latency_lens.metrics.split import split_of
from llm_latency_lens.model.record import Record
from llm_latency_lens.model.recording import Marks


def request(**fields: object) -> Record:
    """A request sent 0.1 ms after its intended start, first token after 200 ms, round trip 30 us."""
    return msgspec.structs.replace(answered(0, 0.0, 200.0, tokens=3), **fields)


def unstreamed(**fields: object) -> Record:
    """The same without a stream: a document that ended 500 ms after the request was sent."""
    sent = request().marks.sent or 0
    return request(streamed=False, marks=Marks(sent=sent, ended=sent + 500 * MS), **fields)


def total(record: Record) -> float:
    """The sum of all parts."""
    split = split_of(record)
    assert split is not None
    parts = (split.client, split.connect, split.upload, split.network, split.server)
    return sum(part for part in parts if part is not None) + split.unexplained


@pytest.mark.parametrize("record", [request(), unstreamed(), request(server_prompt=0.05)])
def test_the_parts_add_up_to_the_whole(record: Record) -> None:
    """Whatever is known, parts and the unexplained rest are the whole."""
    split = split_of(record)
    assert split is not None
    assert total(record) == pytest.approx(split.whole)


def test_a_header_of_a_stream_tells_the_time_until_the_response_began() -> None:
    """It explains TTFT, and is not mixed with the prompt time that it contains."""
    split = split_of(request(server_until_response=0.15, server_prompt=0.12))
    assert split is not None
    assert (split.server, split.server_source) == (0.15, "until the response began")
    assert split.unexplained == pytest.approx(0.2001 - 0.0001 - 0.15 - 30e-6)


def test_an_unstreamed_answer_has_its_generation_explained() -> None:
    """Prompt and generation by the server's account are taken off the whole, not off a TTFT."""
    split = split_of(unstreamed(server_prompt=0.1, server_generation=0.35))
    assert split is not None
    assert split.until == "end of the answer"
    assert split.server == pytest.approx(0.45)
    assert split.unexplained == pytest.approx(0.05, abs=1e-4)


def test_accounts_that_overlap_leave_a_negative_rest() -> None:
    """A server that counts more than there was is shown as a conflict, not cut to zero."""
    split = split_of(request(server_prompt=0.3))
    assert split is not None
    assert split.unexplained < -0.09


def test_an_upload_contains_the_round_trip() -> None:
    """Acknowledged after 80 ms: that is the upload, and the network is not counted again."""
    sent = request().marks.sent or 0
    marks = Marks(sent=sent, uploaded=sent + 80 * MS, ended=sent + 300 * MS)
    split = split_of(request(marks=marks))
    assert split is not None
    assert split.upload == pytest.approx(0.08)
    assert split.network is None
    assert split.unexplained == pytest.approx(0.12, abs=1e-3)


def test_a_request_that_was_not_sent_has_no_split() -> None:
    """No instants, no parts."""
    assert split_of(request(marks=Marks(ended=1), first_token=None)) is None
