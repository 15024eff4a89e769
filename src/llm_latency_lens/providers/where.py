"""How a target is reached, as people say it, and what a provider makes of it."""

from msgspec import Struct

from llm_latency_lens.model.request import AwsKeys, TlsOptions, Url
from llm_latency_lens.providers.key import KeySource


class Where(Struct, frozen=True, kw_only=True):
    """How the target is reached: None is the provider's own way.

    Attributes:
        proxy: a URL, which may hold a user and a password.
        headers: sent in place of the tool's own of those names; Proxy-Authorization goes to the
            proxy alone.
        plugins: names of the custom providers that may be loaded.
        key: where the key is, if not in the provider's own variable.
        spread_addresses: connect to all addresses of a name in turn, not to the first that answers.
        asks: without it nothing will be sent, so no key is needed: what a plan costs can be known
            without one.
        price_as: the `provider:model` whose price holds there, such as that of the model behind a
            deployment or a gateway.
    """

    base_url: str | None = None
    tls: TlsOptions = TlsOptions()
    proxy: str | None = None
    headers: tuple[tuple[str, str], ...] = ()
    key: KeySource | None = None
    spread_addresses: bool = False
    asks: bool = True
    plugins: tuple[str, ...] = ()
    price_as: str | None = None


class Endpoint(Struct, frozen=True, kw_only=True):
    """Where a model is, and what proves who asks. `headers` and `aws` are secret.

    `credential` tells where what proves it was found; it is no secret.
    """

    base_url: Url
    query: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    aws: AwsKeys | None = None
    credential: str = ""

    def __repr__(self) -> str:
        return f"Endpoint({self.base_url})"
