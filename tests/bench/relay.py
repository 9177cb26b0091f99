"""The yardstick: the least a Python gateway can do. One process relays to the upstream, nothing else."""

import sys
from collections.abc import AsyncIterator

import httpx2
import uvicorn
import uvloop
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from tests.bench.serving import serve_until_told

# Answers come at once; whatever takes this long is broken.
TIMEOUT_S = 10.0


class Relay:
    """POST /v1/responses, passed on as it came."""

    def __init__(self, upstream_port: int) -> None:
        self._client = httpx2.AsyncClient(
            base_url=f"http://127.0.0.1:{upstream_port}",
            timeout=TIMEOUT_S,
            limits=httpx2.Limits(max_connections=None, max_keepalive_connections=None),
            trust_env=False,
        )

    async def __call__(self, request: Request) -> Response:
        """One request."""
        body = await request.body()
        headers = {name: request.headers[name] for name in ("authorization", "content-type")}
        asked = self._client.build_request("POST", "/v1/responses", content=body, headers=headers)
        answer = await self._client.send(asked, stream=True)
        kind = answer.headers["content-type"]
        if kind == "text/event-stream":
            return StreamingResponse(_relayed(answer), answer.status_code, media_type=kind)
        try:
            return Response(await answer.aread(), answer.status_code, media_type=kind)
        finally:
            await answer.aclose()


async def _relayed(answer: httpx2.Response) -> AsyncIterator[bytes]:
    try:
        async for data in answer.aiter_raw():
            yield data
    finally:
        await answer.aclose()


async def serve(upstream_port: int) -> None:
    """Relay on a port of our own until standard input ends; the port is said on standard output."""
    app = Starlette(
        routes=[Route("/v1/responses", Relay(upstream_port).__call__, methods=["POST"])]
    )
    await serve_until_told(
        uvicorn.Config(app, port=0, http="httptools", log_level="warning", access_log=False)
    )


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
