"""The Vertex AI simulator speaks Google's wire: driven over loopback with google-genai itself.

Whatever the SDK believes here, the adapter may believe; whatever it raises, it must catch.
"""

import json
from collections.abc import AsyncIterator

import httpx2
import pytest
from google.genai import Client, errors, types
from google.oauth2.credentials import Credentials

from tests.servers import OPTIONS, Simulators

MODEL = "gemini-3.8-flash"
PLACE = OPTIONS["google_vertex"]
KNOWLEDGE = (
    "Answer from these passages.\n"
    '<passage id="kb-012" source="vector_store" title="Refunds">'
    "Refunds are paid within 14 days. You need the receipt &amp; the order number.</passage>"
)
QUESTION = "How long until my refund is paid?"
GROUNDED = (
    "Refunds are paid within 14 days. [kb-012] You need the receipt & the order number. [kb-012]"
)
INVOICE_QUESTION = "Please look up invoice INV-2026-0007."
INVOICE_TOOL = types.Tool(
    function_declarations=[
        types.FunctionDeclaration(
            name="get_invoice",
            description="Look up an invoice.",
            parameters_json_schema={
                "type": "object",
                "properties": {"invoice_id": {"type": "string"}},
                "required": ["invoice_id"],
            },
        )
    ]
)
TWO_CALLS: dict[str, object] = {
    "kind": "tool_calls",
    "calls": [
        {"name": "get_invoice", "arguments": {"invoice_id": "INV-1"}},
        {"name": "get_invoice", "arguments": {"invoice_id": "INV-2"}},
    ],
}


@pytest.fixture(params=["v1", "v1beta1"])
async def gemini(simulators: Simulators, request: pytest.FixtureRequest) -> AsyncIterator[Client]:
    async with httpx2.AsyncClient() as http:
        client = Client(
            enterprise=True,
            project=PLACE["project_id"],
            location=PLACE["location"],
            credentials=Credentials(simulators.key),  # type: ignore[no-untyped-call]
            http_options=types.HttpOptions(
                base_url=simulators.address("google_vertex"),
                api_version=request.param,
                httpx_async_client=http,
            ),
        )
        yield client
        client.close()


def knowing(**more: object) -> types.GenerateContentConfig:
    return types.GenerateContentConfig.model_validate(
        {
            "system_instruction": KNOWLEDGE,
            "automatic_function_calling": {"disable": True},
            **more,
        }
    )


async def ask(
    gemini: Client, question: str = QUESTION, **more: object
) -> types.GenerateContentResponse:
    return await gemini.aio.models.generate_content(
        model=MODEL, contents=question, config=knowing(**more)
    )


async def stream(gemini: Client, seen: list[types.GenerateContentResponse]) -> None:
    """Append what arrives, so that a test sees what came before an error."""
    chunks = await gemini.aio.models.generate_content_stream(
        model=MODEL, contents=QUESTION, config=knowing()
    )
    async for chunk in chunks:
        seen.append(chunk)  # noqa: PERF401 - a comprehension would lose them when it raises


async def test_gemini_answers_from_the_passages_and_counts_its_tokens(gemini: Client) -> None:
    """An answer is grounded, billed, and says that a simulator gave it."""
    response = await ask(gemini)
    assert response.text == GROUNDED
    assert response.model_version == MODEL
    assert response.response_id
    assert response.candidates
    assert response.candidates[0].finish_reason is types.FinishReason.STOP
    usage = response.usage_metadata
    assert usage is not None
    assert usage.thoughts_token_count
    assert usage.total_token_count == (
        (usage.prompt_token_count or 0)
        + (usage.candidates_token_count or 0)
        + usage.thoughts_token_count
    )
    assert response.sdk_http_response is not None
    assert response.sdk_http_response.headers is not None
    assert response.sdk_http_response.headers["x-supportmax-simulator"] == "vertex"


async def test_a_gemini_streams_chunks_are_the_answer_and_the_last_one_says_so(
    gemini: Client,
) -> None:
    """Usage and the reason of the end are the last chunk's alone."""
    seen: list[types.GenerateContentResponse] = []
    await stream(gemini, seen)
    assert "".join(chunk.text or "" for chunk in seen) == GROUNDED
    assert len(seen) > 3
    *before, last = seen
    assert [chunk.candidates and chunk.candidates[0].finish_reason for chunk in before] == [
        None
    ] * len(before)
    assert last.usage_metadata
    assert last.usage_metadata.total_token_count
    assert not any(c.usage_metadata and c.usage_metadata.total_token_count for c in before)
    assert len({chunk.response_id for chunk in seen}) == 1


async def test_gemini_calls_a_tool_on_its_own_and_answers_with_the_result(gemini: Client) -> None:
    """The whole tool loop works unscripted, the signature of the call included."""
    chat = gemini.aio.chats.create(model=MODEL, config=knowing(tools=[INVOICE_TOOL]))
    first = await chat.send_message(INVOICE_QUESTION)
    assert first.function_calls
    [call] = first.function_calls
    assert call.args == {"invoice_id": "INV-2026-0007"}
    assert first.parts
    assert first.parts[0].thought_signature
    result = types.FunctionResponse(
        id=call.id, name=call.name, response={"output": {"status": "paid"}}
    )
    second = await chat.send_message(types.Part(function_response=result))
    assert second.text == "get_invoice says: status: paid."


async def test_gemini_wants_every_result_and_the_signature_of_the_first_call(
    gemini: Client, simulators: Simulators
) -> None:
    """What Google refuses is refused here, for the same reason."""
    await simulators.script("google_vertex", TWO_CALLS)
    first = await ask(gemini, "Both?", tools=[INVOICE_TOOL])
    assert first.candidates
    turn = first.candidates[0].content
    assert turn is not None
    assert turn.parts
    assert [bool(part.thought_signature) for part in turn.parts] == [True, False]
    results = [
        types.Part(function_response=types.FunctionResponse(name="get_invoice", response={"n": n}))
        for n in range(2)
    ]
    unsigned = turn.model_copy(deep=True)
    assert unsigned.parts
    unsigned.parts[0].thought_signature = None
    forged = turn.model_copy(deep=True)
    assert forged.parts
    forged.parts[0].thought_signature = b"forged"
    for said, answered, complaint in (
        (turn, results[:1], "number of function response parts"),
        (unsigned, results, "missing a `thought_signature`"),
        (forged, results, "not valid"),
    ):
        with pytest.raises(errors.ClientError, match=complaint):
            await talk(gemini, said, answered)
    assert (await talk(gemini, turn, results)).text


async def talk(
    gemini: Client, turn: types.Content, results: list[types.Part]
) -> types.GenerateContentResponse:
    question = types.Content(role="user", parts=[types.Part(text="Both?")])
    contents = [question, turn, types.Content(role="user", parts=results)]
    return await gemini.aio.models.generate_content(model=MODEL, contents=contents)


async def test_gemini_obeys_the_choice_of_functions(gemini: Client) -> None:
    """ANY calls one whatever is asked, NONE calls none."""
    for mode, is_called in (("ANY", True), ("NONE", False)):
        choice = {"function_calling_config": {"mode": mode}}
        question = "Good morning." if is_called else INVOICE_QUESTION
        reply = await ask(gemini, question, tools=[INVOICE_TOOL], tool_config=choice)
        assert bool(reply.function_calls) is is_called


async def test_gemini_fills_a_json_schema(gemini: Client) -> None:
    """Structured output arrives as JSON text which fits."""
    schema = {
        "type": "object",
        "properties": {"category": {"enum": ["billing", "refund"]}, "summary": {"type": "string"}},
    }
    mime = "application/json"
    response = await ask(gemini, response_mime_type=mime, response_json_schema=schema)
    assert json.loads(response.text or "") == {"category": "refund", "summary": GROUNDED}


async def test_gemini_remembers_a_long_prompt_without_being_told(gemini: Client) -> None:
    """Cached tokens are part of the prompt's, as Google counts."""
    long = f"Be brief, {gemini._api_client._http_options.api_version}. " * 600
    usages = [(await ask(gemini, system_instruction=long)).usage_metadata for _ in range(2)]
    cold, warm = usages
    assert cold
    assert warm
    assert cold.cached_content_token_count is None
    assert warm.cached_content_token_count
    assert warm.prompt_token_count == cold.prompt_token_count
    assert warm.cached_content_token_count < (warm.prompt_token_count or 0)


async def test_gemini_blocks_stops_short_and_is_filtered_on_request(
    gemini: Client, simulators: Simulators
) -> None:
    """The three ways not to answer which are no errors."""
    kinds = ("refusal", "length", "content_filter")
    await simulators.script("google_vertex", *[{"kind": kind} for kind in kinds])
    blocked = await ask(gemini)
    assert blocked.candidates is None
    assert blocked.prompt_feedback
    assert blocked.prompt_feedback.block_reason is types.BlockedReason.PROHIBITED_CONTENT
    for reason in (types.FinishReason.MAX_TOKENS, types.FinishReason.SAFETY):
        seen: list[types.GenerateContentResponse] = []
        await stream(gemini, seen)
        assert seen[-1].candidates
        assert seen[-1].candidates[0].finish_reason is reason


@pytest.mark.parametrize("authorization", [None, "Bearer wrong", "Basic dXNlcjpw"])
async def test_gemini_lets_nobody_in_without_the_token(
    simulators: Simulators, authorization: str | None
) -> None:
    """401 in Google's shape, with the reason in its details."""
    headers = {"authorization": authorization} if authorization else {}
    async with httpx2.AsyncClient(headers=headers) as client:
        address = simulators.address("google_vertex")
        answer = await client.get(f"{address}/v1/publishers/google/models")
    assert answer.status_code == 401
    error = answer.json()["error"]
    assert (error["code"], error["status"]) == (401, "UNAUTHENTICATED")
    assert error["details"][0]["@type"].endswith("google.rpc.ErrorInfo")


async def test_gemini_refuses_what_google_refuses(gemini: Client) -> None:
    """A request which would fail with the vendor fails here, in the vendor's words."""
    with pytest.raises(errors.ClientError, match=r"gemini-2\.5-flash") as gone:
        await gemini.aio.models.generate_content(model="gemini-2.5-flash", contents="Hello.")
    assert (gone.value.code, gone.value.status) == (404, "NOT_FOUND")
    with pytest.raises(errors.ClientError, match="temperature value of 3"):
        await ask(gemini, temperature=3.0)
    with pytest.raises(errors.ClientError, match="maxOutputTokens value of 99999"):
        await ask(gemini, max_output_tokens=99_999)
    with pytest.raises(errors.ClientError, match="text/plain"):
        await ask(gemini, response_json_schema={"type": "object"})
    unknown = types.HttpOptions(extra_body={"generationConfig": {"maxTokens": 9}})
    with pytest.raises(errors.ClientError, match='Unknown name "maxTokens"') as refused:
        await ask(gemini, http_options=unknown)
    assert (refused.value.code, refused.value.status) == (400, "INVALID_ARGUMENT")
    with pytest.raises(errors.ClientError, match="empty text parameter"):
        await gemini.aio.models.generate_content(model=MODEL, contents="")


async def test_gemini_lists_its_models(gemini: Client) -> None:
    """The names a configuration may hold."""
    names = [model.name async for model in await gemini.aio.models.list()]
    assert f"publishers/google/models/{MODEL}" in names
    found = await gemini.aio.models.get(model=MODEL)
    assert found.name == f"publishers/google/models/{MODEL}"
    with pytest.raises(errors.ClientError):
        await gemini.aio.models.get(model="gemini-pro")


async def test_gemini_limits_the_rate_and_fails_on_request(
    gemini: Client, simulators: Simulators
) -> None:
    """An adapter sees the vendor's status and hint; afterwards the platform is well again."""
    limited = {"kind": "status", "status": 429, "retry_after_s": 1.5}
    await simulators.script("google_vertex", limited, {"kind": "status", "status": 503})
    with pytest.raises(errors.ClientError) as slow_down:
        await ask(gemini)
    assert slow_down.value.status == "RESOURCE_EXHAUSTED"
    assert slow_down.value.details["error"]["details"][0]["retryDelay"] == "1.5s"
    with pytest.raises(errors.ServerError) as overloaded:
        await ask(gemini)
    assert (overloaded.value.code, overloaded.value.status) == (503, "UNAVAILABLE")
    assert (await ask(gemini)).text == GROUNDED


async def test_a_cut_gemini_stream_ends_without_a_word(
    gemini: Client, simulators: Simulators
) -> None:
    """The SDK does not notice; only the missing reason of the end tells."""
    await simulators.script("google_vertex", {"kind": "cut", "after_chunks": 2})
    seen: list[types.GenerateContentResponse] = []
    await stream(gemini, seen)
    assert len(seen) == 2
    assert not any(c.candidates and c.candidates[0].finish_reason for c in seen)
    [request] = await simulators.requests()
    assert (request.platform, request.completed) == ("vertex", False)


async def test_a_broken_or_garbled_gemini_answer_raises(
    gemini: Client, simulators: Simulators
) -> None:
    """What the SDK raises for a lost connection and for a chunk which is not JSON."""
    kinds = ("disconnect", "disconnect", "garbage", "garbage")
    await simulators.script("google_vertex", *[{"kind": kind} for kind in kinds])
    for of_a_stream, of_an_answer in (
        (httpx2.RemoteProtocolError, httpx2.RemoteProtocolError),
        (errors.UnknownApiResponseError, json.JSONDecodeError),
    ):
        with pytest.raises(of_a_stream):
            await stream(gemini, [])
        with pytest.raises(of_an_answer):
            await ask(gemini)


async def test_an_error_inside_a_gemini_stream_raises_with_its_own_code(
    gemini: Client, simulators: Simulators
) -> None:
    """What was said before it has been said; without a stream it is the status."""
    fault = {"kind": "error_event", "after_chunks": 1, "code": "UNAVAILABLE"}
    await simulators.script("google_vertex", fault, fault)
    seen: list[types.GenerateContentResponse] = []
    with pytest.raises(errors.ServerError) as inside:
        await stream(gemini, seen)
    assert (inside.value.code, inside.value.status, len(seen)) == (503, "UNAVAILABLE", 1)
    with pytest.raises(errors.ServerError):
        await ask(gemini)


@pytest.mark.parametrize(
    "path",
    [
        "v2/publishers/google/models",
        "v1/projects/p/locations/l/publishers/google/models/gemini-3.8-flash:predict",
        "v1/models/gemini-3.8-flash:generateContent",
    ],
)
async def test_an_unknown_url_is_404_in_googles_shape(simulators: Simulators, path: str) -> None:
    """A wrong base URL shows itself as such."""
    headers = {"authorization": f"Bearer {simulators.key}"}
    async with httpx2.AsyncClient(headers=headers) as client:
        answer = await client.post(f"{simulators.address('google_vertex')}/{path}", json={})
    assert answer.status_code == 404
    assert answer.json()["error"]["status"] == "NOT_FOUND"


async def test_agents_are_listed_shown_and_deleted(simulators: Simulators) -> None:
    """What an administrator does; deleting begins an operation, and may be refused."""
    root = f"{simulators.address('google_vertex')}/v1beta1"
    place = f"{root}/projects/shop/locations/us-central1"
    headers = {"authorization": f"Bearer {simulators.key}"}
    async with httpx2.AsyncClient(headers=headers, verify=False) as client:
        [listed] = (await client.get(f"{place}/reasoningEngines")).json()["reasoningEngines"]
        address = f"{root}/{listed['name']}"
        shown = (await client.get(address)).json()
        operation = (await client.delete(address)).json()
        await simulators.script("google_vertex", {"kind": "status", "status": 403})
        refused = await client.delete(address)
    assert shown == listed
    assert operation["name"].startswith(f"{listed['name']}/operations/")
    assert refused.json()["error"]["status"] == "PERMISSION_DENIED"
