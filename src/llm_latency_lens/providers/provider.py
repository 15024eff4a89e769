"""Who can be asked: one row a provider. Adding a provider is adding a row."""

from msgspec import Struct


class Provider(Struct, frozen=True, kw_only=True):
    """Facts about a provider: the language it speaks, its own address, and how it wants its key.

    `key_header` gets `key_prefix` + key; `key_env` is the environment variable that holds the key.
    """

    name: str
    dialect: str
    base_url: str
    key_env: str
    key_header: str = "Authorization"
    key_prefix: str = "Bearer "


PROVIDERS: dict[str, Provider] = {
    provider.name: provider
    for provider in (
        Provider(
            name="openai",
            dialect="openai_chat",
            base_url="https://api.openai.com/v1",
            key_env="OPENAI_API_KEY",
        ),
    )
}
