"""The head of a request is the SDK's, and the SDK sends nothing while it writes it."""

import httpx2
import openai
import pytest

from deployments.platforms.head import HeadRecorder, SdkHead


async def test_the_head_is_what_the_sdk_would_have_sent() -> None:
    """Address, credential and identification; nothing of the one request it was asked for."""
    recorder = HeadRecorder()
    sdk = openai.AsyncOpenAI(
        api_key="sk-key", base_url="https://vendor.example/v1", http_client=recorder.client()
    )
    await sdk.responses.with_raw_response.create(model="", input="")
    head = recorder.head()
    assert str(head.url) == "https://vendor.example/v1/responses"
    assert head.headers["Authorization"] == "Bearer sk-key"
    assert head.headers["X-Stainless-Package-Version"] == openai.__version__
    assert not {"host", "content-length", "x-stainless-raw-response"} & set(head.headers)
    assert "sk-key" not in repr(head)


async def test_a_head_is_asked_for_once_until_it_is_forgotten() -> None:
    """A credential the vendor refused is not sent again for a minute."""
    recorder = HeadRecorder()
    keys = iter(["old", "new"])

    async def ask() -> None:
        await recorder.handle_async_request(
            httpx2.Request("POST", "https://vendor.example/", headers={"authorization": next(keys)})
        )

    head = SdkHead(recorder, ask)
    assert [(await head.get()).headers["authorization"] for _ in range(2)] == ["old", "old"]
    head.forget()
    assert (await head.get()).headers["authorization"] == "new"


def test_a_recorder_that_saw_nothing_says_so() -> None:
    """An SDK that went another way would otherwise be missed."""
    with pytest.raises(RuntimeError, match="sent nothing"):
        HeadRecorder().head()
