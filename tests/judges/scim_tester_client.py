"""Ask a SCIM server everything scim2-tester asks, in its own environment; prints what it found as JSON.

Arguments: the address of the server's resources and a key.
"""

import http.client
import json
import sys
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import urlsplit

from scim2_client.engines.wsgi import (  # type: ignore[import-not-found]  # not in our environment
    WSGISCIMClient,
)
from scim2_tester import check_server  # type: ignore[import-not-found]

ANSWER_S = 30


def bridge(host: str, port: int) -> Callable[..., Iterable[bytes]]:
    """The server as a WSGI application: the client needs no library for HTTP then."""

    def application(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        connection = http.client.HTTPConnection(host, port, timeout=ANSWER_S)
        headers = {
            name.removeprefix("HTTP_").replace("_", "-"): value
            for name, value in environ.items()
            if name.startswith("HTTP_") or name == "CONTENT_TYPE"
        }
        query = environ.get("QUERY_STRING", "")
        path = environ["PATH_INFO"] + (f"?{query}" if query else "")
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        connection.request(environ["REQUEST_METHOD"], path, body or None, headers)
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        start(f"{answer.status} {answer.reason}", list(answer.getheaders()))
        return [content]

    return application


def main() -> None:
    address, key = sys.argv[1:]
    parts = urlsplit(address)
    assert parts.hostname is not None
    assert parts.port is not None
    headers = {"Authorization": f"Bearer {key}"}
    app = bridge(parts.hostname, parts.port)
    client = WSGISCIMClient(app, base_url=address, headers=headers)
    found = [
        {
            "status": result.status.name,
            "title": result.title,
            "resource": result.resource_type,
            "reason": result.reason,
        }
        for result in check_server(client)
    ]
    json.dump(found, sys.stdout)


main()
