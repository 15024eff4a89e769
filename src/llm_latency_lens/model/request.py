"""What is asked of a model, and the HTTP request that asks it.

`Request` is the provider-neutral wish, `Target` says where it goes, `HttpRequest` is the wish as one
provider's dialect writes it.
"""

from typing import Any

import msgspec
from msgspec import Struct


class Image(Struct, frozen=True, kw_only=True):
    """A picture in a message: at a `url`, or as base64 `data` of a `media_type` such as image/png."""

    url: str | None = None
    data: str = ""
    media_type: str = ""

    @property
    def reference(self) -> str:
        """The URL, or the data as a data URL."""
        return self.url or f"data:{self.media_type};base64,{self.data}"


class Message(Struct, frozen=True):
    """One turn of a conversation: its text, and the images that come with it."""

    role: str
    content: str
    images: tuple[Image, ...] = ()


class Tool(Struct, frozen=True):
    """A function that the model may call; `parameters` is its JSON Schema."""

    name: str
    description: str = ""
    parameters: dict[str, Any] = msgspec.field(
        default_factory=lambda: {"type": "object", "properties": {}}
    )


class Request(Struct, frozen=True, kw_only=True):
    """One wish for generated tokens.

    The fields from `max_tokens` to `min_tokens` are settings: None is not asked for, and what a dialect
    has no name for is refused before anything is sent. `reasoning` is an effort such as low, medium or
    high, `thinking_budget` a number of tokens. `ignore_eos` and `min_tokens` fix the output's length
    where the server allows it. `extra` is merged into the request body, object by object, so anything
    a server understands can be asked for.
    """

    messages: tuple[Message, ...]
    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    sampling_seed: int | None = None
    stop: tuple[str, ...] | None = None
    reasoning: str | None = None
    thinking_budget: int | None = None
    ignore_eos: bool | None = None
    min_tokens: int | None = None
    tools: tuple[Tool, ...] = ()
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


class Proxy(Struct, frozen=True, kw_only=True):
    """An HTTP proxy, and the value of Proxy-Authorization that it is sent ("": none). Secret but for the URL."""

    url: Url
    authorization: str = ""

    def __repr__(self) -> str:
        return f"Proxy({self.url})"


class AwsKeys(Struct, frozen=True, kw_only=True):
    """What AWS requests are signed with. Secret but for the region and the service."""

    access_key: str
    secret_key: str
    region: str
    token: str | None = None
    service: str = "bedrock"

    def __repr__(self) -> str:
        return f"AwsKeys(region={self.region!r})"


class Target(Struct, frozen=True, kw_only=True):
    """Where a request goes: a model of a provider at a base URL, and how that is reached.

    `query` is added to every path. `headers` and `aws` may hold secrets; a Target is shown to people
    through `public_name` only. `price_as` is the provider whose prices hold there (None: unknown),
    `catalogue` the one whose models answers may name, wherever they come from.
    `credential` tells where the key was looked for and whether one is sent; it is no secret.
    With `spread_addresses` connections go to all addresses of the host's name in turn.
    """

    provider: str
    dialect: str
    model: str
    base_url: Url
    query: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    aws: AwsKeys | None = None
    price_as: str | None = None
    catalogue: str | None = None
    tls: TlsOptions = TlsOptions()
    proxy: Proxy | None = None
    credential: str = ""
    spread_addresses: bool = False

    @property
    def first_hop(self) -> Url:
        """Where connections are made to: the proxy, else the target."""
        return self.proxy.url if self.proxy is not None else self.base_url

    @property
    def public_name(self) -> str:
        """`provider:model`, as the command line writes it."""
        return f"{self.provider}:{self.model}"

    def __repr__(self) -> str:
        return f"Target({self.public_name!r} at {self.base_url})"


class HttpRequest(Struct, frozen=True, kw_only=True):
    """One HTTP request, ready to be sent; `url.path` includes the query.

    `dialect` is that of the answer, which tells where a stream ends ("": only HTTP does).
    """

    method: str
    url: Url
    headers: tuple[tuple[str, str], ...]
    body: bytes = b""
    dialect: str = ""

    def __repr__(self) -> str:
        return f"HttpRequest({self.method} {self.url}, {len(self.body)} bytes)"


class Limits(Struct, frozen=True, kw_only=True):
    """Deadlines (ns) and caps (bytes) of one exchange; every wait on a peer has one of them.

    `max_bodies` caps the bodies under way in one measuring process together.
    """

    connect_timeout: int = 10_000_000_000
    idle_timeout: int = 60_000_000_000
    total_timeout: int = 600_000_000_000
    max_head: int = 100 * 1024
    max_body: int = 256 * 1024 * 1024
    max_event: int = 8 * 1024 * 1024
    max_bodies: int = 512 * 1024 * 1024
