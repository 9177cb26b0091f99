"""A stream whose platform is cut off in mid-sentence, as the caller of the whole product sees it."""

import httpx2

from tests.integration.talk import MESSAGE, listen
from tests.servers import Simulators


async def test_a_platform_cut_in_mid_sentence_is_gone_on_from_by_another(
    healthy: httpx2.AsyncClient, simulators: Simulators
) -> None:
    """The caller reads one seamless answer, is told who took over, and pays for both halves."""
    undisturbed = (await healthy.post("/v3/chat", json={"message": MESSAGE})).json()
    chosen, whole = undisturbed["platform"], undisturbed["text"]

    await simulators.script(chosen, {"kind": "cut", "after_chunks": 3})
    heard = await listen(healthy)

    heard.assert_honest()
    at = heard.names.index("resumed")
    begun = "".join(data["text"] for name, data in heard.events[:at] if name == "delta")
    assert begun
    assert whole.startswith(begun)
    assert begun != whole
    assert heard.text == heard.done["text"] == whole
    assert heard.events[at][1] == {"from": chosen, "to": heard.done["platform"]}
    assert heard.done["platform"] != chosen
    assert [(a["platform"], a["outcome"]) for a in heard.done["attempts"]] == [
        (chosen, "stream_truncated"),
        (heard.done["platform"], "ok"),
    ]
    assert heard.done["cost_usd"] > undisturbed["cost_usd"]
