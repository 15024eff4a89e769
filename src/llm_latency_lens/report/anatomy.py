"""One request's anatomy: what happened when, where the time went, what the server says of itself."""

from llm_latency_lens.metrics import formulas
from llm_latency_lens.metrics.definitions import BY_NAME
from llm_latency_lens.metrics.quality import check_answers
from llm_latency_lens.metrics.split import split_of
from llm_latency_lens.model.record import OutcomeKind, RateLimit, Record
from llm_latency_lens.report.advice import advise
from llm_latency_lens.report.document import Block, Fact, Facts, Note, Report, Span, Waterfall
from llm_latency_lens.units import NS_PER_S, format_duration, format_money, format_rate, format_size

_LATENCIES = (
    ("ttft", "TTFT", "sent to first token of any kind"),
    ("ttfvt", "first visible token", "after the reasoning"),
    ("tpot", "TPOT", ""),
    ("e2e", "end to end", "sent to last token, or to the end of an unstreamed answer"),
)


def anatomy(record: Record) -> Report:
    """The report of one attempt, successful or not."""
    blocks: list[Block] = [_outcome_note(record), *_doubts(record)]
    spans = _spans(record)
    if spans:
        blocks.append(Waterfall("Where the time went", spans))
    split = _split_facts(record) if record.outcome.kind is OutcomeKind.OK else ()
    if split:
        blocks.append(Facts("Who took it", split))
    unstreamed = record.outcome.kind is OutcomeKind.OK and not record.streamed
    if record.first_token is not None or unstreamed:
        blocks.append(Facts("Latency", _latency_facts(record)))
    if record.first_token is not None or record.tokens.input is not None:
        blocks.append(Facts("Tokens", _token_facts(record)))
    if record.connection is not None:
        blocks.append(Facts("Network against server", _network_facts(record)))
    if record.rate_limit is not None:
        blocks.append(
            Facts("Rate limits, as the server tells them", _limit_facts(record.rate_limit))
        )
    blocks.append(Facts("Measurement", _measurement_facts(record)))
    return Report(f"{record.target} - anatomy of one request", tuple(blocks))


def _outcome_note(record: Record) -> Note:
    outcome = record.outcome
    if outcome.kind is OutcomeKind.OK:
        length = " (stopped by the length limit)" if "length" in record.flags else ""
        return Note(f"ok{length}", "good")
    return Note(advise(outcome), "bad")


def _doubts(record: Record) -> tuple[Note, ...]:
    """What the answer itself leaves in doubt, by the checks of a run."""
    if record.outcome.kind is not OutcomeKind.OK:
        return ()
    return tuple(
        Note(
            f"{check.verdict}: {', '.join(touched)}: {check.words}; {check.remedy}",
            "bad" if check.verdict == "INVALID" else "warn",
        )
        for check in check_answers([record])
        if check.verdict != "VALID"
        and (touched := [label for name, label, _ in _shown(record) if name in check.metrics])
    )


def _spans(record: Record) -> tuple[Span, ...]:
    """Phases in order; what did not happen is left out. Instants are relative to the first mark."""
    m = record.marks
    tls = record.connection.tls_resumed if record.connection else None
    kind = {True: "resumed", False: "full", None: ""}[tls]
    reasoning = record.first_kind == "reasoning"
    # The tokens of a document have no instants of their own: the body ends with the answer.
    event, token, last = (
        (record.first_event, record.first_token, record.last_token)
        if record.streamed
        else (None, None, None)
    )
    phases: tuple[tuple[str, int | None, int | None, str], ...] = (
        ("DNS", m.dns_begin, m.dns_end, ""),
        ("TCP", m.tcp_begin, m.tcp_end, ""),
        ("proxy", m.proxy_begin, m.proxy_end, ""),
        ("TLS", m.tls_begin, m.tls_end, kind),
        ("upload", m.sent, m.uploaded or m.written, _uploaded(record)),
        ("first byte", m.uploaded or m.written or m.sent, record.first_byte, "network + server"),
        ("first event", record.first_byte, event, ""),
        ("first token", event, token, record.first_kind or ""),
        (
            "first visible",
            token,
            record.first_visible if reasoning else None,
            "thinking",
        ),
        ("last token", token, last, "generation"),
        (
            "end",
            last or record.first_byte or m.written,
            m.ended,
            record.outcome.kind.value,
        ),
    )
    known = [
        (label, b, e, remark) for label, b, e, remark in phases if b is not None and e is not None
    ]
    if not known:
        return ()
    origin = min(begin for _, begin, _, _ in known)
    return tuple(
        Span(label, begin - origin, max(end, begin) - origin, remark)
        for label, begin, end, remark in known
    )


def _uploaded(record: Record) -> str:
    size = format_size(record.request_bytes)
    return f"{size}, acknowledged" if record.marks.uploaded else f"{size}, in the kernel"


def _latency_facts(record: Record) -> tuple[Fact, ...]:
    speed = BY_NAME["decode_speed"].of(record)
    rate = "" if speed is None else format_rate(speed, "tokens")
    facts = [
        Fact(label, format_duration(value), rate if name == "tpot" else remark)
        for name, label, remark in _shown(record)
        if (value := _value(record, name)) is not None
    ]
    gaps = formulas.gaps(record)
    if gaps:
        longest = format_duration(max(gaps))
        facts.insert(-1, Fact("longest gap", longest, "between two arrivals of tokens"))
    return tuple(facts)


def _shown(record: Record) -> list[tuple[str, str, str]]:
    """The latencies of the anatomy; the first visible token where it is not the first of all."""
    repeated = "ttfvt" if record.first_visible == record.first_token else ""
    return [row for row in _LATENCIES if row[0] != repeated]


def _value(record: Record, metric: str) -> int | None:
    """The metric in ns, by the table of definitions."""
    value = BY_NAME[metric].of(record)
    return None if value is None else round(value * NS_PER_S)


def _token_facts(record: Record) -> tuple[Fact, ...]:
    t = record.tokens

    def shown(count: int | None) -> str:
        return "unknown" if count is None else f"{count:,}"

    facts = [
        Fact("input", shown(t.input), f"{t.cached:,} from cache" if t.cached else ""),
        Fact("output", shown(t.output), f"counted by: {t.source}"),
    ]
    if t.reasoning:
        facts.append(Fact("of it reasoning", shown(t.reasoning)))
    if record.cost is not None:
        doubt = "by an estimate of the tokens" if record.cost.estimated else "by the counts above"
        facts.append(Fact("cost", format_money(record.cost.total), doubt))
    facts.append(
        Fact("token events", f"{t.events:,}", f"in {len(record.arrivals):,} network reads")
    )
    if record.finish_reason:
        facts.append(Fact("finish reason", record.finish_reason))
    if record.model:
        facts.append(Fact("model says it is", record.model, record.fingerprint or ""))
    return tuple(facts)


def _limit_facts(limit: RateLimit) -> tuple[Fact, ...]:
    """What is left of each limit, and when it is whole again."""

    def fact(name: str, remaining: int | None, most: int | None, reset: float | None) -> Fact:
        left = "unknown" if remaining is None else f"{remaining:,}"
        whole = f"whole again in {format_duration(reset * NS_PER_S)}" if reset is not None else ""
        return Fact(f"{name} left", left if most is None else f"{left} of {most:,}", whole)

    kinds = (
        ("requests", limit.requests_remaining, limit.requests_limit, limit.requests_reset),
        ("tokens", limit.tokens_remaining, limit.tokens_limit, limit.tokens_reset),
    )
    return tuple(fact(*kind) for kind in kinds if kind[1:] != (None, None, None))


def _network_facts(record: Record) -> tuple[Fact, ...]:
    c = record.connection
    if c is None:
        return ()
    state = "reused" if c.reused else "new"
    idle = f"idle for {format_duration(c.idle_before)} before" if c.idle_before is not None else ""
    facts = [
        Fact(
            "connection",
            f"{state}, {c.family} to {c.remote}",
            f"via proxy {c.proxy}" if c.proxy else idle,
        )
    ]
    if c.tls_version:
        facts.append(
            Fact(
                "TLS",
                f"{c.tls_version} {c.tls_cipher}",
                "resumed" if c.tls_resumed else "full handshake",
            )
        )
    if c.rtt is not None:
        lost = f"{c.retransmits} retransmits" if c.retransmits else "no retransmits"
        least = f", least {format_duration(c.rtt_min)}" if c.rtt_min else ""
        facts.append(Fact("network round trip", f"{format_duration(c.rtt)}{least}", lost))
    facts += _server_facts(record)
    return tuple(facts)


def _split_facts(record: Record) -> tuple[Fact, ...]:
    """Where the time until the first token (or the end of a document) went, as far as it is known."""
    split = split_of(record)
    if split is None:
        return ()
    account = f"by its own account: {split.server_source}"
    network = "one round trip, by the kernel's estimate"
    parts = (
        ("client", split.client, "from the intended start, before connecting or sending"),
        ("connect", split.connect, "DNS, TCP, proxy and TLS"),
        ("upload", split.upload, "until the last byte of the request was acknowledged"),
        ("network", split.network, network),
        ("server", split.server, account),
    )
    facts = [Fact(name, _seconds(value), remark) for name, value, remark in parts if value]
    rest = (
        "by none of the above"
        if split.server is not None
        else "the server gives no account of its time"
    )
    if split.unexplained < 0.0:
        rest = "the accounts overlap: the server counts something that lies outside this time"
    facts.append(Fact("unexplained", _seconds(split.unexplained), rest))
    facts.append(Fact("whole", _seconds(split.whole), f"intended start to {split.until}"))
    return tuple(facts)


def _server_facts(record: Record) -> list[Fact]:
    """The server's own account of its work, part by part."""
    told = (
        ("server: until the response began", record.server_until_response),
        ("server: prompt", record.server_prompt),
        ("server: generation", record.server_generation),
        ("server: total", record.server_total),
    )
    return [
        Fact(name, _seconds(value), "by its own account")
        for name, value in told
        if value is not None
    ]


def _seconds(value: float | None) -> str:
    return "-" if value is None else format_duration(value * NS_PER_S)


def _measurement_facts(record: Record) -> tuple[Fact, ...]:
    words = {
        "kernel": "stamped by the kernel on arrival",
        "packet": "stamped by their packets",
        "user": "stamped by this process after the read",
        "mixed": "stamped by the kernel, some by this process",
        "none": "no response body",
    }
    facts = [Fact("arrivals", words.get(record.stamps, record.stamps))]
    if record.late is not None:
        width = BY_NAME["ttft"].bounds
        ends = width(record) if width is not None else None
        known = f"TTFT is known within {_seconds(ends[1] - ends[0])}" if ends else ""
        facts.append(
            Fact("our reads came late by", f"{format_duration(record.late)} at most", known)
        )
    if record.flags:
        facts.append(Fact("noted", ", ".join(record.flags)))
    return tuple(facts)
