"""How each provider refuses, written by hand in the shape that it is known to send."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from chenu_server.providers.model import Retry


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """One refusal and what it means: its kind, what may be tried, whether the operator must act."""

    status: int
    body: str
    kind: str
    retry: Retry
    needs_operator: bool = False


def _json(status: int, body: Any, kind: str, retry: Retry, *, operator: bool = False) -> Refused:
    return Refused(
        status=status, body=json.dumps(body), kind=kind, retry=retry, needs_operator=operator
    )


def _error(message: str, **fields: Any) -> dict[str, Any]:
    return {"error": {"message": message, **fields}}


def _operators(status: int, body: Any, kind: str = "") -> Refused:
    return _json(status, body, kind or f"http_{status}", Retry.ELSEWHERE, operator=True)


REFUSALS = {
    "anthropic": _json(
        529,
        {
            "type": "error",
            "error": {"type": "overloaded_error", "message": "Overloaded"},
            "request_id": "req_011CSHoEeqs5C35K2UUqR7Fy",
        },
        "http_529",
        Retry.ELSEWHERE,
    ),
    # The prompt's filter answers so; the innermost code is Azure's own word for it.
    "azure": _json(
        400,
        _error(
            "The response was filtered due to the prompt triggering Azure OpenAI's content"
            " management policy. Please modify your prompt and retry.",
            type=None,
            param="prompt",
            code="content_filter",
            status=400,
            innererror={
                "code": "ResponsibleAIPolicyViolation",
                "content_filter_result": {"violence": {"filtered": True, "severity": "medium"}},
            },
        ),
        "moderation",
        Retry.NEVER,
    ),
    # Nothing around it.
    "cerebras": _json(
        429,
        {
            "message": "Requests per minute limit exceeded - too many requests sent.",
            "type": "too_many_requests_error",
            "param": "quota",
            "code": "request_quota_exceeded",
        },
        "http_429",
        Retry.LATER,
    ),
    "cohere": _operators(401, {"id": "4f3c2a", "message": "invalid api token"}),
    # Its code says something else than its message, and the status decides.
    "deepseek": _operators(
        402,
        _error("Insufficient Balance", type="unknown_error", code="invalid_request_error"),
        "credit",
    ),
    "fireworks": _operators(
        404,
        _error(
            "Model not found, inaccessible, and/or not deployed",
            object="error",
            type="invalid_request_error",
            code="NOT_FOUND",
        ),
    ),
    # A list, and a bad key is a bad request.
    "google": _operators(
        400,
        [
            {
                "error": {
                    "code": 400,
                    "message": "API key not valid. Please pass a valid API key.",
                    "status": "INVALID_ARGUMENT",
                }
            }
        ],
    ),
    "groq": _json(
        429,
        _error(
            "Rate limit reached for model `openai/gpt-oss-20b` on tokens per minute (TPM):"
            " Limit 8000, Used 7900, Requested 400. Please try again in 2.25s.",
            type="tokens",
            code="rate_limit_exceeded",
        ),
        "http_429",
        Retry.LATER,
    ),
    "lmstudio": _operators(
        404,
        _error(
            'Model "openai/gpt-oss-20b" not found',
            type="invalid_request_error",
            param="model",
            code="model_not_found",
        ),
    ),
    "meta": _json(
        500,
        _error("Internal server error", type="server_error", code="internal_error"),
        "http_500",
        Retry.ELSEWHERE,
    ),
    # What is wrong stands in a list inside the message.
    "mistral": _json(
        422,
        {
            "object": "error",
            "message": {
                "detail": [
                    {
                        "type": "extra_forbidden",
                        "loc": ["body", "stream_options"],
                        "msg": "Extra inputs are not permitted",
                    }
                ]
            },
            "type": "invalid_request_error",
            "param": None,
            "code": None,
        },
        "http_422",
        Retry.NEVER,
    ),
    "ollama": _operators(
        404,
        _error('model "qwen3:8b" not found, try pulling it first', type="api_error", code=None),
    ),
    # An account without credit answers as one that asks too often; no wait helps.
    "openai": _operators(
        429,
        _error(
            "You exceeded your current quota, please check your plan and billing details.",
            type="insufficient_quota",
            param=None,
            code="insufficient_quota",
        ),
        "credit",
    ),
    # A 403 that is no matter of permission.
    "openrouter": _json(
        403,
        _error(
            "anthropic/claude-sonnet-5.5 requires moderation on OpenRouter. Your input was flagged"
            ' for "violence".',
            code=403,
            metadata={"reasons": ["violence"], "flagged_input": "…", "provider_name": "Anthropic"},
        ),
        "moderation",
        Retry.NEVER,
    ),
    # A page of the server before it.
    "perplexity": Refused(
        status=401,
        body="<html>\r\n<head><title>401 Authorization Required</title></head>\r\n</html>",
        kind="http_401",
        retry=Retry.ELSEWHERE,
        needs_operator=True,
    ),
    "together": _json(
        503,
        _error("The server is overloaded or not ready yet.", type="service_unavailable"),
        "http_503",
        Retry.ELSEWHERE,
    ),
    # Nothing around it, and the code is the status.
    "vllm": _json(
        400,
        {
            "object": "error",
            "message": "This model's maximum context length is 4096 tokens. However, you requested"
            " 5000 tokens.",
            "type": "BadRequestError",
            "param": None,
            "code": 400,
        },
        "http_400",
        Retry.NEVER,
    ),
    # `error` is a text, and a bad key a bad request.
    "xai": _operators(
        400,
        {
            "code": "Client specified an invalid argument",
            "error": "Incorrect API key provided: xa***Q. You can obtain an API key from"
            " https://console.x.ai.",
        },
    ),
}
