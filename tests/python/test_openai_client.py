"""Clients that others wrote, unchanged, through the gateway: the `openai` package of PyPI, and curl."""

from __future__ import annotations

import itertools
import json
import subprocess
import time

import openai
import pytest

MESSAGES = [{"role": "user", "content": "Why is the sky blue?"}]
TOKENS = 12


@pytest.fixture
def client(gateway_url: str) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{gateway_url}/v1", api_key="any", timeout=20, max_retries=0)


def test_the_openai_client_streams_a_completion(client: openai.OpenAI) -> None:
    start = time.monotonic()
    arrived, text, reason = [], "", None
    with client.chat.completions.create(model="tiny", messages=MESSAGES, max_tokens=TOKENS, stream=True) as stream:
        for chunk in stream:
            assert chunk.model == "tiny"
            assert chunk.system_fingerprint == "nacp-simulated"
            for choice in chunk.choices:
                if choice.delta.content:
                    arrived.append(time.monotonic() - start)
                    text += choice.delta.content
                reason = choice.finish_reason or reason
    assert len(arrived) == TOKENS, text
    assert reason == "length"
    spread = arrived[-1] - arrived[0]
    assert spread > 0.03 * (TOKENS - 1) * 0.7, f"all chunks came within {spread:.3f} s: somebody buffered them"


def test_streamed_and_whole_say_the_same(client: openai.OpenAI) -> None:
    whole = client.chat.completions.create(model="tiny", messages=MESSAGES, max_tokens=TOKENS)
    stream = client.chat.completions.create(model="tiny", messages=MESSAGES, max_tokens=TOKENS, stream=True)
    pieces = [choice.delta.content or "" for chunk in stream for choice in chunk.choices]
    assert whole.choices[0].message.content == "".join(pieces)
    assert whole.usage is not None and whole.usage.completion_tokens == TOKENS


def test_the_openai_client_lists_models_and_reads_errors(client: openai.OpenAI) -> None:
    assert [model.id for model in client.models.list()] == ["tiny"]
    with pytest.raises(openai.NotFoundError) as caught:
        client.chat.completions.create(model="tinny", messages=MESSAGES)
    assert "tinny" in caught.value.message and "tiny" in caught.value.message


def test_curl_shows_tokens_as_they_come(gateway_url: str) -> None:
    body = {"model": "tiny", "messages": MESSAGES, "max_tokens": TOKENS, "stream": True}
    command = ["curl", "-sN", "--max-time", "20", f"{gateway_url}/v1/chat/completions"]
    command += ["-H", "content-type: application/json", "-d", json.dumps(body)]
    start = time.monotonic()
    arrived = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as curl:
        assert curl.stdout is not None
        for line in curl.stdout:
            if line.startswith("data: "):
                arrived.append((time.monotonic() - start, line[len("data: ") :].strip()))
    assert curl.returncode == 0
    assert arrived[-1][1] == "[DONE]"
    words = [(at, json.loads(event)["choices"][0]["delta"].get("content")) for at, event in arrived[:-1]]
    times = [at for at, word in words if word]
    assert len(times) == TOKENS
    moments = sum(later - earlier > 0.01 for earlier, later in itertools.pairwise(times))
    assert moments >= TOKENS // 2, f"the tokens came in {moments + 1} bursts: {times}"
