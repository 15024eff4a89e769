"""What is asked of a model, and the HTTP request that asks it.

`Request` is the provider-neutral wish, `Target` says where it goes, `HttpRequest` is the wish as one
provider's dialect writes it.
"""

from typing import Any

from msgspec import Struct


class Message(Struct, frozen=True):
    """One turn of a conversation."""

    role: str
    content: str


class Request(Struct, frozen=True, kw_only=True):
    """One wish for generated tokens.

    `extra` is merged into the top level of the request body, so anything a server understands can be
    asked for.
    """

    messages: tuple[Message, ...]
    max_tokens: int | None = None
    temperature: float | None = None
    stream: bool = True
    extra: dict[str, Any] = {}


class Url(Struct, frozen=True):
    """A parsed http(s) URL; `path` begins with a slash and has no trailing one (but is "" for none)."""

    scheme: str
    host: str
    port: int
    path: str = ""

    @property
    def authority(self) -> str:
        """Host and port as the Host header wants them: the port only where it is not the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        default = 443 if self.scheme == "https" else 80
        return host if self.port == default else f"{host}:{self.port}"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}{self.path}"


class TlsOptions(Struct, frozen=True):
    """Trust beyond the system's; certificates are always verified. Paths of PEM files."""

    ca_file: str | None = None
    client_certificate: str | None = None
    client_key: str | None = None


class Target(Struct, frozen=True, kw_only=True):
    """Where a request goes: a model of a provider at a base URL, and how that is reached.

    `headers` may hold secrets; a Target is shown to people through `public_name` only.
    """

    provider: str
    dialect: str
    model: str
    base_url: Url
    headers: tuple[tuple[str, str], ...] = ()
    tls: TlsOptions = TlsOptions()
    proxy: Url | None = None

    @property
    def public_name(self) -> str:
        """`provider:model`, as the command line writes it."""
        return f"{self.provider}:{self.model}"

    def __repr__(self) -> str:
        return f"Target({self.public_name!r} at {self.base_url})"


class HttpRequest(Struct, frozen=True, kw_only=True):
    """One HTTP request, ready to be sent; `url.path` includes the query."""

    method: str
    url: Url
    headers: tuple[tuple[str, str], ...]
    body: bytes = b""

    def __repr__(self) -> str:
        return f"HttpRequest({self.method} {self.url}, {len(self.body)} bytes)"


class Limits(Struct, frozen=True, kw_only=True):
    """Deadlines (ns) and caps (bytes) of one exchange; every wait on a peer has one of them."""

    connect_timeout: int = 10_000_000_000
    idle_timeout: int = 60_000_000_000
    total_timeout: int = 600_000_000_000
    max_head: int = 100 * 1024
    max_body: int = 256 * 1024 * 1024
    max_event: int = 8 * 1024 * 1024
