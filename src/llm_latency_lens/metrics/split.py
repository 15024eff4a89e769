"""Where the time of one request went: what is known of each part, and what nobody explains.

For a streamed answer the time until its first token, for an unstreamed one the time until its end.
"""

from msgspec import Struct

from llm_latency_lens.metrics import formulas
from llm_latency_lens.metrics.formulas import answer_end, seconds
from llm_latency_lens.model.record import Record


class TimeSplit(Struct, frozen=True, kw_only=True):
    """Parts of the time from the intended start, in seconds; None is unknown and in `unexplained`.

    Attributes:
        whole: what is split.
        until: "first token" or "end of the answer".
        client: what the client added before dialling or sending.
        connect: DNS, TCP, proxy and TLS, on a new connection.
        upload: until the peer acknowledged the request's last byte, of requests beyond TCP's first flight.
        network: one round trip, by the kernel's estimate; the upload contains it where that is known.
        server: the server's own account of its work in that time.
        server_source: what the account is: "until the response began", "prompt", "total", ...
        unexplained: the rest. Negative where the accounts overlap or the server counts otherwise.
    """

    whole: float
    until: str
    client: float
    connect: float | None
    upload: float | None
    network: float | None
    server: float | None
    server_source: str = ""
    unexplained: float


def split_of(record: Record) -> TimeSplit | None:
    """Split the time of a successful request; None where it has no such instants."""
    end = record.first_token if record.streamed else answer_end(record)
    whole = seconds(record.intended, end)
    queue = seconds(record.intended, record.marks.sent)
    if whole is None or queue is None:
        return None
    connect = formulas.connect(record)
    upload = seconds(record.marks.sent, record.marks.uploaded)
    network = formulas.rtt(record) if upload is None else None
    server, source = server_account(record)
    known = (queue, upload, network, server)
    return TimeSplit(
        whole=whole,
        until="first token" if record.streamed else "end of the answer",
        client=queue - (connect or 0.0),
        connect=connect,
        upload=upload,
        network=network,
        server=server,
        server_source=source,
        unexplained=whole - sum(part for part in known if part is not None),
    )


def server_account(record: Record) -> tuple[float | None, str]:
    """The server's own account of the time that is split, in seconds, and what it is.

    A header of a stream was written before the first token, so it tells the time until the response
    began; one of an unstreamed answer tells the whole.
    """
    if record.streamed:
        if record.server_until_response is not None:
            return record.server_until_response, "until the response began"
        return record.server_prompt, "prompt" if record.server_prompt is not None else ""
    if record.server_total is not None:
        return record.server_total, "total"
    parts = [part for part in (record.server_prompt, record.server_generation) if part is not None]
    return (sum(parts), "prompt and generation") if parts else (None, "")
