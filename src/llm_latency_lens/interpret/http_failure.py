"""What an answer with an error status means: its class, and the words that help, by a table of rules.

First match wins. A rule says more than the status only where the answer itself shows it.
"""

import re
from collections.abc import Callable

from msgspec import Struct

from llm_latency_lens.interpret.asked import Asked
from llm_latency_lens.interpret.bot_filter import bot_filter
from llm_latency_lens.interpret.redirect import redirection
from llm_latency_lens.model.events import ServerError
from llm_latency_lens.model.record import Outcome, OutcomeKind
from llm_latency_lens.model.recording import Head, Recording
from llm_latency_lens.units import format_duration
from llm_latency_lens.wire.intermediary import gateway_of_page, intermediary

Finding = tuple[str, str]
"""The cause, and words for it."""

_CAUSES = {401: "auth", 402: "quota", 403: "forbidden", 413: "too_large", 429: "rate_limited"}
_TIMEOUTS = frozenset({408, 504, 524, 598, 599})
_TIMEOUT = re.compile(r"time[d]?[ -]?out", re.IGNORECASE)
_CONTEXT = re.compile(
    r"context[ _-]?(?:length|window|size)|maximum (?:context|input|sequence|number of tokens)"
    r"|(?:prompt|input|inputs|request) (?:is |are )?too long|too many (?:input )?tokens"
    r"|longer than the model|exceed\w* (?:the )?(?:model'?s? )?(?:maximum|max|limit)\w* .{0,40}tokens?"
    r"|max_model_len|tokens? .{0,40}must be <=|token limit exceeded"
    r"|input token count .{0,40}exceeds|reduce the length of the (?:messages|prompt|input)",
    re.IGNORECASE,
)
_QUOTA = re.compile(
    r"insufficient[_ ](?:quota|balance|credit|funds)|exceeded your current quota|credit balance",
    re.IGNORECASE,
)
_NO_MODEL = re.compile(
    r"model[_ ]not[_ ]found"
    r"|\bmodels?\s[^{}]{0,120}(?:not (?:exist|found|supported|available)|does not exist)"
    r"|(?:no such|unknown|invalid) model|deployment .{0,60}(?:not exist|not found)|try pulling it",
    re.IGNORECASE | re.DOTALL,
)
_WANTS_HTTPS = re.compile(
    r"plain http request was sent to https|http request to an https server"
    r"|speaking plain http to an ssl|combination of host and port requires tls"
    r"|https[ -](?:is )?required|requires https",
    re.IGNORECASE,
)
_BODY = 4096
_OF_GATEWAYS = {
    502: "got no proper answer from the server behind it",
    503: "had no server for the request, or refused it for now",
    520: "got no proper answer from the server behind it",
    521: "was refused by the server behind it",
    522: "got no connection to the server behind it",
    523: "could not reach the server behind it",
    525: "could not agree on TLS with the server behind it",
    526: "does not trust the certificate of the server behind it",
}
"""What a gateway says by its status."""
_PROXY_SERVERS = ("mitmproxy", "privoxy", "squid", "tinyproxy", "ziproxy", "polipo")
_PROXY_HEADERS = ("x-squid-error", "proxy-status", "proxy-agent", "proxy-authenticate")


class Answer(Struct, frozen=True):
    """An answer with an error status, and what is known around it."""

    recording: Recording
    head: Head
    body: bytes
    error: ServerError | None
    asked: Asked

    @property
    def status(self) -> int:
        """The HTTP status."""
        return self.head.status

    @property
    def said(self) -> str:
        """The server's own words, with the type that it gives them."""
        if self.error is None:
            return ""
        return self.error.message or self.error.type

    @property
    def text(self) -> str:
        """Everything in which a cause may be named."""
        kind = self.error.type if self.error is not None else ""
        body = self.body[:_BODY].decode("utf-8", "replace")
        return f"{kind} {self.said} {body}"

    @property
    def seconds(self) -> str:
        """How long after the request the answer began; "" where that is not known."""
        marks = self.recording.marks
        if marks.sent is None or marks.head is None:
            return ""
        return f" after {format_duration(marks.head - marks.sent)}"

    @property
    def gateway(self) -> str:
        """Who stands between, if the answer shows it."""
        return intermediary(self.head) or gateway_of_page(self.body[:_BODY]) or ""


def http_failure(
    recording: Recording, body: bytes, error: ServerError | None, asked: Asked
) -> Outcome:
    """The outcome of an attempt whose answer has an error status; `body` is unpacked."""
    head = recording.head
    if head is None:
        raise ValueError("only an answer with a head has a status")
    answer = Answer(recording, head, body, error, asked)
    found = next((finding for rule in _RULES if (finding := rule(answer)) is not None), None)
    cause, words = found or (http_cause(head.status), "")
    detail = ": ".join(part for part in (words, answer.said) if part)
    return Outcome(OutcomeKind.ERROR_HTTP, cause, None, detail)


def http_cause(status: int) -> str:
    """The class of an error status by itself."""
    if status in _CAUSES:
        return _CAUSES[status]
    return {3: "redirect", 4: "bad_request"}.get(status // 100, "server")


def _redirect(answer: Answer) -> Finding | None:
    if answer.status // 100 != 3:
        return None
    return "redirect", redirection(answer.head.get("location"), answer.asked)


def _proxy(answer: Answer) -> Finding | None:
    """A forward proxy's own refusal; only what goes to it in plain HTTP can be answered by it."""
    facts, head = answer.recording.connection, answer.head
    if answer.status == 407:
        offered = head.get("proxy-authenticate") or "nothing that it would take"
        what = "refused the credentials" if answer.asked.proxied else "wants credentials"
        return "proxy_auth", f"the proxy {what} (it offers {offered})"
    if facts is None or facts.proxy is None or facts.tls_version is not None:
        return None
    server = (head.get("server") or "").lower()
    named = next((name for name in _PROXY_HEADERS if head.get(name)), None)
    if named is None and not server.startswith(_PROXY_SERVERS):
        return None
    sign = f"{named}: {head.get(named)}" if named else f"server: {server}"
    return "proxy_refused", f"the proxy {facts.proxy} refused ({sign})"


def _blocked(answer: Answer) -> Finding | None:
    words = bot_filter(answer.head, answer.body)
    return None if words is None else ("blocked", words)


def _https(answer: Answer) -> Finding | None:
    if not answer.asked.url.startswith("http:") or not _WANTS_HTTPS.search(answer.text):
        return None
    return "https_expected", "the port speaks TLS"


def _version(answer: Answer) -> Finding | None:
    upgrade = (answer.head.get("upgrade") or "").lower()
    if answer.status in {464, 505} or (answer.status == 426 and "h2c" in upgrade):
        return "http2_only", "the server refuses HTTP/1.1"
    return None


def _timeout(answer: Answer) -> Finding | None:
    told = answer.status in {500, 502, 503} and _TIMEOUT.search(answer.text)
    if answer.status not in _TIMEOUTS and not told:
        return None
    return (
        "gateway_timeout",
        f"{answer.gateway or 'a gateway or the server'} gave up{answer.seconds}",
    )


def _credential(answer: Answer) -> Finding | None:
    if answer.status not in {401, 403}:
        return None
    shown = answer.asked.credential
    return _CAUSES[answer.status], f"sent with {shown}" if shown else ""


def _context(answer: Answer) -> Finding | None:
    if answer.status not in {400, 413, 422, 500} or not _CONTEXT.search(answer.text):
        return None
    return "context_length", ""


def _model(answer: Answer) -> Finding | None:
    if answer.status not in {400, 404, 422} or not _NO_MODEL.search(answer.text):
        return None
    return "model_not_found", f"POST {answer.asked.url}" if answer.asked.url else ""


def _not_found(answer: Answer) -> Finding | None:
    if answer.status not in {404, 405, 410, 501}:
        return None
    url, hint = answer.asked.url, _path_hint(answer.asked)
    if not url:
        return "not_found", ""
    return "not_found", f"POST {url}" + (f" ({hint})" if hint else "")


def _path_hint(asked: Asked) -> str:
    """What is wrong with a base URL's path, as far as it shows."""
    own = asked.url.removeprefix(asked.base).partition("?")[0]
    path = asked.base.partition("://")[2].partition("/")[2]
    if own and asked.base.endswith(own):
        return f"the base URL ends with {own} already: leave that out"
    if asked.version and path.endswith(asked.version.strip("/") + asked.version):
        return f"{asked.version} stands twice in the base URL"
    if asked.version and not re.search(r"(?:^|/)v\d", path):
        return f"is {asked.version} missing? try --base-url {asked.base}{asked.version}"
    if not asked.version and re.search(r"(?:^|/)v\d\w*$", path):
        return f"this dialect's base URL has no /{path.rpartition('/')[2]}"
    return ""


def _quota(answer: Answer) -> Finding | None:
    if answer.status == 402 or (answer.status in {400, 403, 429} and _QUOTA.search(answer.text)):
        return "quota", ""
    return None


def _gateway(answer: Answer) -> Finding | None:
    if answer.status // 100 != 5 or not answer.gateway:
        return None
    what = _OF_GATEWAYS.get(answer.status, "answered")
    return "server", f"{answer.gateway} {what}{answer.seconds}"


_RULES: tuple[Callable[[Answer], Finding | None], ...] = (
    _redirect,
    _proxy,
    _blocked,
    _https,
    _version,
    _timeout,
    _quota,
    _credential,
    _context,
    _model,
    _not_found,
    _gateway,
)
