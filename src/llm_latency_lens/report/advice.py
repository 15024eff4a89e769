"""What went wrong, in plain words, and what to do: one line for each kind and cause."""

from llm_latency_lens.model.record import Outcome, OutcomeKind
from llm_latency_lens.model.result import Failure

_ADVICE: dict[tuple[OutcomeKind, str], str] = {
    (
        OutcomeKind.ERROR_CONNECT,
        "refused",
    ): "nothing listens there: check host and port, and that the server runs",
    (OutcomeKind.ERROR_CONNECT, "dns_failed"): "check the host name and this machine's resolver",
    (
        OutcomeKind.ERROR_CONNECT,
        "unreachable",
    ): "no route to the host: check the network, VPN or firewall",
    (
        OutcomeKind.ERROR_CONNECT,
        "connect_timeout",
    ): "check host, port and firewall, or raise --connect-timeout",
    (
        OutcomeKind.ERROR_CONNECT,
        "tls_failed",
    ): "if a private CA signed the certificate, give it with --ca-file",
    (OutcomeKind.ERROR_CONNECT, "proxy_failed"): "check --proxy and what it lets through",
    (
        OutcomeKind.ERROR_CONNECT,
        "stale_connection",
    ): "the server closes idle connections early; not retried, a retry would hide it",
    (
        OutcomeKind.ERROR_CONNECT,
        "client_error",
    ): "this machine ran out of something: raise `ulimit -n` or lower the load",
    (
        OutcomeKind.ERROR_HTTP,
        "auth",
    ): "the key was not accepted: check the key's environment variable and its rights",
    (
        OutcomeKind.ERROR_HTTP,
        "rate_limited",
    ): "the provider's limit is reached: lower --rate or --concurrency, or wait",
    (
        OutcomeKind.ERROR_HTTP,
        "bad_request",
    ): "the server refuses the request: check the model's name and the parameters",
    (
        OutcomeKind.ERROR_HTTP,
        "server",
    ): "the server failed: see its logs or the provider's status page",
    (
        OutcomeKind.ERROR_HTTP,
        "redirect",
    ): "redirects are not followed: give the final address as --base-url",
    (
        OutcomeKind.STALLED,
        "idle_timeout",
    ): "the stream went silent; raise --idle-timeout if that is normal there",
    (
        OutcomeKind.STALLED,
        "total_timeout",
    ): "it took too long; raise --timeout or ask for fewer tokens",
    (
        OutcomeKind.PROTOCOL_ERROR,
        "content_type",
    ): "that is not a model's answer: check --base-url (is a /v1 missing?)",
    (
        OutcomeKind.PROTOCOL_ERROR,
        "no_tokens",
    ): "the model gave nothing: check --max-tokens and the model's name",
    (
        OutcomeKind.PROTOCOL_ERROR,
        "body_too_large",
    ): "the answer went on beyond what is read; under --max-cost, beyond what --max-tokens allows",
    (
        OutcomeKind.PROTOCOL_ERROR,
        "bad_http",
    ): "no HTTP server there: check scheme (http or https) and port",
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
