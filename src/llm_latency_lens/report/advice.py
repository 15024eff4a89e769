"""What went wrong, in plain words, and what to do: one line for each kind and cause."""

from llm_latency_lens.model.record import Outcome, OutcomeKind
from llm_latency_lens.model.result import Failure

_CONNECT = {
    "refused": "nothing listens there: check host and port, and that the server runs",
    "dns_failed": "check the host name and this machine's resolver",
    "unreachable": "no route to the host: check the network, VPN or firewall",
    "connect_timeout": "check host, port and firewall, or raise --connect-timeout",
    "not_tls": "if the port speaks plain HTTP, write http:// instead of https://",
    "tls_failed": "nothing was sent",
    "proxy_failed": "check --proxy, its credentials and what it lets through",
    "stale_connection": "the server closes idle connections early; not retried, a retry would hide it",
    "client_error": "this machine ran out of something: raise `ulimit -n` or lower the load",
}
_HTTP = {
    "auth": "give the right key, and check its rights",
    "forbidden": "check what the key may do, and who may reach this address",
    "blocked": "the key was not judged: have this client allowed there, or send another User-Agent"
    " with --header",
    "quota": "the account has no credit left: top it up, waiting does not help",
    "rate_limited": "the provider's limit is reached: lower --rate or --concurrency, or wait",
    "context_length": "prompt and --max-tokens together exceed the model's context: shorten the"
    " prompt or lower --max-tokens",
    "too_large": "the request's body is too large for the server or a gateway: shorten the prompt",
    "model_not_found": "check the model's name",
    "not_found": "check the path of --base-url",
    "bad_request": "the server refuses the request: check the model's name and the parameters",
    "https_expected": "write https:// in --base-url",
    "http2_only": "put a gateway that speaks HTTP/1.1 before it",
    "proxy_auth": "give the proxy's URL with user and password by --proxy env:VARIABLE",
    "proxy_refused": "check --proxy and what it lets through",
    "gateway_timeout": "raise that timeout where it is set, or ask for a stream or fewer tokens",
    "server": "the server failed: see its logs or the provider's status page",
    "redirect": "redirects are not followed",
}
_PROTOCOL = {
    "body_too_large": "the answer went on beyond what is read; under --max-cost, beyond what"
    " --max-tokens allows",
    "content_type": "that is not a model's answer: check --base-url (is a /v1 missing?)",
    "no_tokens": "the model gave nothing: check --max-tokens and the model's name",
    "bad_http": "no HTTP server there: check scheme (http or https) and port",
    "tls_expected": "write https:// in --base-url",
    "http2_only": "put a gateway that speaks HTTP/1.1 before it",
    "desynchronised": "the connection was dropped: a server or gateway sends answers that nobody"
    " asked for; report it to its makers",
}
_IN_STREAM = {
    "context_length_exceeded": _HTTP["context_length"],
    "exceed_context_size_error": _HTTP["context_length"],
    "rate_limit_exceeded": _HTTP["rate_limited"],
    "rate_limit_error": _HTTP["rate_limited"],
    "insufficient_quota": _HTTP["quota"],
    "authentication_error": _HTTP["auth"],
}
"""Types of errors within a 200 response that mean what an error status would."""
_ADVICE: dict[tuple[OutcomeKind, str], str] = {
    **{(OutcomeKind.ERROR_CONNECT, cause): words for cause, words in _CONNECT.items()},
    **{(OutcomeKind.ERROR_HTTP, cause): words for cause, words in _HTTP.items()},
    **{(OutcomeKind.ERROR_IN_STREAM, cause): words for cause, words in _IN_STREAM.items()},
    **{(OutcomeKind.PROTOCOL_ERROR, cause): words for cause, words in _PROTOCOL.items()},
    (
        OutcomeKind.STALLED,
        "idle_timeout",
    ): "the stream went silent; raise --idle-timeout if that is normal there",
    (
        OutcomeKind.STALLED,
        "total_timeout",
    ): "it took too long; raise --timeout or ask for fewer tokens",
}
_BY_KIND: dict[OutcomeKind, str] = {
    OutcomeKind.ERROR_IN_STREAM: "the server reported it inside a 200 response: see its logs",
    OutcomeKind.TRUNCATED: "the answer broke off: look at the server, and at proxies between",
    OutcomeKind.PROTOCOL_ERROR: "the server's bytes break the protocol: report them to its makers",
    OutcomeKind.FILTERED: "the provider filtered the answer: such requests don't enter speed metrics",
    OutcomeKind.CANCELLED: "stopped before it ended",
    OutcomeKind.STALLED: "it stopped in the middle",
    OutcomeKind.ERROR_CONNECT: "no connection could be made",
    OutcomeKind.ERROR_HTTP: "the server answered with an error",
    OutcomeKind.NOT_SENT: "never sent",
}


def advise(outcome: Outcome) -> str:
    """One line: what happened, in whose words, and what to do next."""
    name = outcome.kind.value + (f"/{outcome.cause}" if outcome.cause else "")
    shown = outcome.status is not None and outcome.kind is OutcomeKind.ERROR_HTTP
    status = f" {outcome.status}" if shown else ""
    said = f": {outcome.detail}" if outcome.detail else ""
    remedy = remedy_for(outcome.kind, outcome.cause)
    return f"{name}{status}{said}" + (f" - {remedy}" if remedy else "")


def remedy_for(kind: OutcomeKind, cause: str) -> str:
    """What to do about it."""
    return _ADVICE.get((kind, cause)) or _BY_KIND.get(kind, "")


def advise_failure(failure: Failure) -> str:
    """What to do about a kind of failure in a result document."""
    return remedy_for(OutcomeKind(failure.outcome), failure.cause)
