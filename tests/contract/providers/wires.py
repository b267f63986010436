"""How each provider is documented to be called, written by hand from its own pages."""

from __future__ import annotations

from dataclasses import dataclass

KEY = "sk-never-to-be-shown-4711"
BEARER = ("authorization", f"Bearer {KEY}")
MAX_TOKENS = "max_tokens"
MAX_COMPLETION_TOKENS = "max_completion_tokens"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wire:
    """One provider's call: what arrives there, and what must not."""

    model: str
    target: str  # path and query
    key: tuple[str, str] = BEARER
    cap: str = MAX_TOKENS
    asks_usage: bool = True
    other_keys: tuple[str, ...] = ("x-api-key", "api-key")


WIRES = {
    # https://platform.claude.com/docs/en/api/messages: usage comes unasked. The key goes as its
    # own SDK sends it since 2.x; `x-api-key`, the older way, is a record's to choose.
    "anthropic": Wire(
        model="claude-sonnet-5-5",
        target="/v1/messages",
        asks_usage=False,
    ),
    # https://learn.microsoft.com/azure/foundry/openai/api-version-lifecycle: the v1 API has the
    # deployment in the body, needs no api-version, and takes the key as `api-key`.
    "azure": Wire(
        model="gpt-6-luna",
        target="/openai/v1/chat/completions",
        key=("api-key", KEY),
        cap=MAX_COMPLETION_TOKENS,
        other_keys=("authorization", "x-api-key"),
    ),
    # https://inference-docs.cerebras.ai/api-reference/chat-completions
    "cerebras": Wire(
        model="qwen-3.8-27b", target="/v1/chat/completions", cap=MAX_COMPLETION_TOKENS
    ),
    # https://docs.cohere.com/docs/compatibility-api; stream_options is refused:
    # https://strandsagents.com/docs/user-guide/concepts/model-providers/cohere/
    "cohere": Wire(
        model="command-a-03-2025",
        target="/compatibility/v1/chat/completions",
        asks_usage=False,
    ),
    # https://api-docs.deepseek.com/api/create-chat-completion: no /v1.
    "deepseek": Wire(model="deepseek-flash", target="/chat/completions"),
    # https://docs.fireworks.ai/api-reference/post-chatcompletions
    "fireworks": Wire(
        model="accounts/fireworks/models/glm-5p3", target="/inference/v1/chat/completions"
    ),
    # https://ai.google.dev/gemini-api/docs/openai
    "google": Wire(model="gemini-3.8-flash", target="/v1beta/openai/chat/completions"),
    # https://console.groq.com/docs/api-reference: max_tokens is deprecated.
    "groq": Wire(
        model="openai/gpt-oss-20b",
        target="/openai/v1/chat/completions",
        cap=MAX_COMPLETION_TOKENS,
    ),
    # https://lmstudio.ai/docs/developer/openai-compat/chat-completions
    "lmstudio": Wire(model="openai/gpt-oss-20b", target="/v1/chat/completions"),
    # https://www.promptfoo.dev/docs/providers/meta/
    "meta": Wire(model="muse-spark-1.3", target="/v1/chat/completions", cap=MAX_COMPLETION_TOKENS),
    # https://docs.mistral.ai/api: unknown fields are refused, usage comes unasked.
    "mistral": Wire(model="mistral-medium-3-5", target="/v1/chat/completions", asks_usage=False),
    # https://docs.ollama.com/api/openai-compatibility
    "ollama": Wire(model="qwen3:8b", target="/v1/chat/completions"),
    # https://developers.openai.com/api/reference/resources/chat: max_tokens is refused.
    "openai": Wire(model="gpt-6-luna", target="/v1/chat/completions", cap=MAX_COMPLETION_TOKENS),
    # https://openrouter.ai/docs/quickstart
    "openrouter": Wire(model="anthropic/claude-sonnet-5.5", target="/api/v1/chat/completions"),
    # https://docs.perplexity.ai/docs/sonar/openai-compatibility: no /v1.
    "perplexity": Wire(model="sonar-pro", target="/chat/completions"),
    # https://docs.together.ai/docs/openai-api-compatibility
    "together": Wire(model="zai-org/GLM-5.3", target="/v1/chat/completions"),
    # https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html
    "vllm": Wire(model="Qwen/Qwen3.8-27B", target="/v1/chat/completions"),
    # https://docs.x.ai/docs/api-reference
    "xai": Wire(model="grok-4.7", target="/v1/chat/completions"),
}
