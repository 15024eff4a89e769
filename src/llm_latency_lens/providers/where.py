"""How a target is reached, as people say it, and what a provider makes of it."""

from msgspec import Struct

from llm_latency_lens.model.request import AwsKeys, TlsOptions, Url
from llm_latency_lens.providers.key import KeySource


class Where(Struct, frozen=True, kw_only=True):
    """How the target is reached: None is the provider's own way. `headers` are sent along.

    `plugins` names the custom providers that may be loaded. `key` says where the key is, if not in
    the provider's own variable. Without `asks` nothing will be sent, so no key is needed: what a
    plan costs can be known without one. `price_as` is the `provider:model` whose price holds there,
    such as that of the model behind a deployment or a gateway.
    """

    base_url: str | None = None
    tls: TlsOptions = TlsOptions()
    proxy: str | None = None
    headers: tuple[tuple[str, str], ...] = ()
    key: KeySource | None = None
    asks: bool = True
    plugins: tuple[str, ...] = ()
    price_as: str | None = None


class Endpoint(Struct, frozen=True, kw_only=True):
    """Where a model is, and what proves who asks. `headers` and `aws` are secret."""

    base_url: Url
    query: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    aws: AwsKeys | None = None

    def __repr__(self) -> str:
        return f"Endpoint({self.base_url})"
