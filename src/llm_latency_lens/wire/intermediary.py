"""Response headers that name a program between client and server: a proxy, a gateway or a CDN."""

from llm_latency_lens.model.recording import Head

_FORWARDERS = (
    "akamaighost",
    "apache",
    "apisix",
    "awselb",
    "caddy",
    "cloudflare",
    "cloudfront",
    "envoy",
    "google frontend",
    "haproxy",
    "istio-envoy",
    "kong",
    "litespeed",
    "nginx",
    "openresty",
    "squid",
    "tengine",
    "traefik",
    "varnish",
)
"""Products in a Server header that forward requests; a model server names itself otherwise."""

_NAMED: dict[str, str] = {
    "cf-ray": "Cloudflare",
    "x-amz-cf-id": "CloudFront",
    "x-azure-ref": "Azure Front Door",
    "x-envoy-": "Envoy",
    "x-kong-": "Kong",
    "x-litellm-": "LiteLLM",
    "x-portkey-": "Portkey",
    "cf-aig-": "Cloudflare AI Gateway",
    "helicone-": "Helicone",
    "x-amz-apigw-id": "AWS API Gateway",
    "x-vercel-id": "Vercel",
    "x-varnish": "Varnish",
    "x-served-by": "a cache",
    "x-cache": "a cache",
}
"""Headers that only an intermediary adds (one that ends in a dash: any with this beginning).

`X-Accel-*` is not among them: a server sends it to nginx, which takes it out.
"""


_PAGES: tuple[tuple[bytes, str], ...] = (
    (b"The server didn't respond in time.", "HAProxy"),
    (b"No server is available to handle this request.", "HAProxy"),
    (b"The server returned an invalid or incomplete response.", "HAProxy"),
    (b"upstream request timeout", "Envoy"),
    (b"upstream connect error or disconnect/reset before headers", "Envoy"),
    (b"no healthy upstream", "Envoy"),
    (b"The upstream server is timing out", "Kong"),
    (b"Endpoint request timed out", "AWS API Gateway"),
    (b"litellm.Timeout", "LiteLLM"),
)
"""What gateways write into their own error pages and no server behind them does."""


def gateway_of_page(body: bytes) -> str | None:
    """Return the gateway whose own error page `body` is; None where it is nobody's that is known."""
    found = (f"{who} (its error page)" for words, who in _PAGES if words in body)
    return next(found, None)


def intermediary(head: Head | None) -> str | None:
    """Return who stands between, and the header that says so; None where no header does."""
    if head is None:
        return None
    via = head.get("via")
    if via:
        return f"{via} (via header)"
    server = head.get("server") or ""
    if server.lower().startswith(_FORWARDERS):
        return f"{server} (server header)"
    for prefix, who in _NAMED.items():
        for name, _ in head.headers:
            if name == prefix or (prefix.endswith("-") and name.startswith(prefix)):
                return f"{who} ({name} header)"
    return None
