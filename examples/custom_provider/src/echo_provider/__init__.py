"""The provider: where it is, which language it speaks, how it wants its key."""

from llm_latency_lens.providers.provider import Provider

PROVIDER = Provider(
    name="echo",
    dialect="echo_provider.dialect",
    base_url="http://127.0.0.1:9000",
    key_env="ECHO_API_KEY",
)
