"""Who can be asked: one row a provider. Adding a provider is adding a row."""

from msgspec import Struct


class Provider(Struct, frozen=True, kw_only=True):
    """Facts about a provider: the language it speaks, its own address, and how it wants its key.

    `dialect` is the name of one that is built in, or the import path of a module that has one.
    `key_header` gets `key_prefix` + key; `key_env` is the environment variable that holds the key. A
    provider at a loopback address is a server of one's own, which may want none. `endpoint` is the
    module that knows where a model is, for those whose address or key is not the same for all.
    `price_as` is the name under which its prices are found (None: it has none of its own).
    """

    name: str
    dialect: str
    base_url: str
    key_env: str
    key_header: str = "Authorization"
    key_prefix: str = "Bearer "
    endpoint: str | None = None
    price_as: str | None = None

    @property
    def is_local(self) -> bool:
        """Whether its own address is this machine."""
        return self.base_url.startswith("http://127.0.0.1")


def _compatible(name: str, base_url: str, key_env: str) -> Provider:
    """A provider or server that speaks OpenAI's chat completions."""
    hosted = not base_url.startswith("http://127.0.0.1")
    return Provider(
        name=name,
        dialect="openai_chat",
        base_url=base_url,
        key_env=key_env,
        price_as=name if hosted else None,
    )


_ROWS = (
    _compatible("openai", "https://api.openai.com/v1", "OPENAI_API_KEY"),
    Provider(
        name="openai-responses",
        dialect="openai_responses",
        base_url="https://api.openai.com/v1",
        key_env="OPENAI_API_KEY",
        price_as="openai",
    ),
    Provider(
        name="openai-embeddings",
        dialect="openai_embeddings",
        base_url="https://api.openai.com/v1",
        key_env="OPENAI_API_KEY",
        price_as="openai",
    ),
    Provider(
        name="azure",
        dialect="openai_chat",
        base_url="https://RESOURCE.openai.azure.com",
        key_env="AZURE_OPENAI_API_KEY",
        key_header="api-key",
        key_prefix="",
        endpoint="llm_latency_lens.providers.azure",
        price_as="azure",
    ),
    Provider(
        name="anthropic",
        dialect="anthropic",
        base_url="https://api.anthropic.com/v1",
        key_env="ANTHROPIC_API_KEY",
        key_header="x-api-key",
        key_prefix="",
        price_as="anthropic",
    ),
    Provider(
        name="gemini",
        dialect="gemini",
        base_url="https://generativelanguage.googleapis.com/v1beta",
        key_env="GEMINI_API_KEY",
        key_header="x-goog-api-key",
        key_prefix="",
        price_as="gemini",
    ),
    Provider(
        name="vertex",
        dialect="gemini",
        base_url="https://LOCATION-aiplatform.googleapis.com/v1",
        key_env="GOOGLE_OAUTH_ACCESS_TOKEN",
        endpoint="llm_latency_lens.providers.vertex",
        price_as="vertex",
    ),
    Provider(
        name="bedrock",
        dialect="bedrock",
        base_url="https://bedrock-runtime.REGION.amazonaws.com",
        key_env="AWS_BEARER_TOKEN_BEDROCK",
        endpoint="llm_latency_lens.providers.bedrock",
        price_as="bedrock",
    ),
    Provider(
        name="cohere",
        dialect="cohere",
        base_url="https://api.cohere.com/v2",
        key_env="COHERE_API_KEY",
        price_as="cohere",
    ),
    Provider(
        name="ollama",
        dialect="ollama",
        base_url="http://127.0.0.1:11434",
        key_env="OLLAMA_API_KEY",
    ),
    _compatible("groq", "https://api.groq.com/openai/v1", "GROQ_API_KEY"),
    _compatible("together", "https://api.together.xyz/v1", "TOGETHER_API_KEY"),
    _compatible("mistral", "https://api.mistral.ai/v1", "MISTRAL_API_KEY"),
    _compatible("deepseek", "https://api.deepseek.com/v1", "DEEPSEEK_API_KEY"),
    _compatible("openrouter", "https://openrouter.ai/api/v1", "OPENROUTER_API_KEY"),
    # Servers of one's own, at the address they take by default; a key is sent where it is set.
    _compatible("vllm", "http://127.0.0.1:8000/v1", "VLLM_API_KEY"),
    _compatible("sglang", "http://127.0.0.1:30000/v1", "SGLANG_API_KEY"),
    _compatible("tgi", "http://127.0.0.1:3000/v1", "TGI_API_KEY"),
    _compatible("llamacpp", "http://127.0.0.1:8080/v1", "LLAMA_API_KEY"),
    _compatible("litellm", "http://127.0.0.1:4000/v1", "LITELLM_API_KEY"),
)
PROVIDERS: dict[str, Provider] = {provider.name: provider for provider in _ROWS}
