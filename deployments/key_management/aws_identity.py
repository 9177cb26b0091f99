"""Whom AWS takes this process for: keys of the environment, a web identity, or the container's own.

In the order of AWS's own SDKs. Credentials are had again five minutes before they end.
"""

import asyncio
import html
import os
import re
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import httpx2
import orjson

from actors.sealing.errors import ProviderRefused, ProviderUnavailable
from deployments.key_management.sigv4 import AwsCredentials
from routing.clock import Clock

# What is signed now must still be good when it arrives; AWS's SDKs take five minutes too.
RENEW_BEFORE_S = 300.0
_TASK_HOST = "http://169.254.170.2"
# Where ECS and EKS serve credentials; the token for them goes to nobody else in clear.
_HOSTS = frozenset({"169.254.170.2", "169.254.170.23", "fd00:ec2::23", "127.0.0.1", "localhost"})
_SESSION = "supportmax"


class AwsIdentity:
    """This process's credentials. They are asked for once, however many need them."""

    def __init__(self, name: str, http: httpx2.AsyncClient, sts_url: str, clock: Clock) -> None:
        self._name = name
        self._http = http
        self._sts_url = sts_url
        self._clock = clock
        self._held: AwsCredentials | None = None
        self._one_at_a_time = asyncio.Lock()

    async def get(self) -> AwsCredentials:
        """The credentials to sign with now.

        Raises:
            ProviderRefused: this process has no identity, or AWS does not know it.
            ProviderUnavailable: whoever gives them out did not answer.
        """
        async with self._one_at_a_time:
            held = self._held
            if held is None or self._ends_soon(held):
                held = self._held = await self._found(os.environ)
            return held

    def forget(self) -> None:
        """Ask anew the next time: AWS says that they have expired."""
        self._held = None

    def _ends_soon(self, held: AwsCredentials) -> bool:
        return held.expires_at is not None and (
            held.expires_at - self._clock.now() < RENEW_BEFORE_S
        )

    async def _found(self, env: Mapping[str, str]) -> AwsCredentials:
        if "AWS_ACCESS_KEY_ID" in env and "AWS_SECRET_ACCESS_KEY" in env:
            return AwsCredentials(
                env["AWS_ACCESS_KEY_ID"],
                env["AWS_SECRET_ACCESS_KEY"],
                env.get("AWS_SESSION_TOKEN"),
            )
        try:
            if "AWS_WEB_IDENTITY_TOKEN_FILE" in env and "AWS_ROLE_ARN" in env:
                return await self._by_web_identity(env)
            if "AWS_CONTAINER_CREDENTIALS_FULL_URI" in env:
                return await self._of_container(env["AWS_CONTAINER_CREDENTIALS_FULL_URI"], env)
            if "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI" in env:
                path = env["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"]
                return await self._of_container(f"{_TASK_HOST}{path}", env)
        except (httpx2.HTTPError, OSError) as error:
            said = f"no credentials: {type(error).__name__}: {error}"
            raise ProviderUnavailable(self._name, said) from error
        message = (
            "this process has no identity: neither AWS_ACCESS_KEY_ID, nor AWS_WEB_IDENTITY_TOKEN_FILE "
            "with AWS_ROLE_ARN, nor AWS_CONTAINER_CREDENTIALS_FULL_URI is set"
        )
        raise ProviderRefused(self._name, message)

    async def _by_web_identity(self, env: Mapping[str, str]) -> AwsCredentials:
        # Kubernetes replaces the token in its file; it is read anew each time.
        token = await asyncio.to_thread(Path(env["AWS_WEB_IDENTITY_TOKEN_FILE"]).read_text, "utf-8")
        asked = {
            "Action": "AssumeRoleWithWebIdentity",
            "Version": "2011-06-15",
            "RoleArn": env["AWS_ROLE_ARN"],
            "RoleSessionName": env.get("AWS_ROLE_SESSION_NAME", _SESSION),
            "WebIdentityToken": token.strip(),
        }
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        answer = await self._http.post(self._sts_url, content=urlencode(asked), headers=form)
        self._check(answer, "STS")
        return AwsCredentials(
            _element(answer.text, "AccessKeyId", self._name),
            _element(answer.text, "SecretAccessKey", self._name),
            _element(answer.text, "SessionToken", self._name),
            _moment(_element(answer.text, "Expiration", self._name)),
        )

    async def _of_container(self, url: str, env: Mapping[str, str]) -> AwsCredentials:
        parts = urlsplit(url)
        if parts.scheme != "https" and parts.hostname not in _HOSTS:
            raise ProviderRefused(self._name, f"{parts.hostname} may not be asked for credentials")
        headers = {}
        if "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE" in env:
            path = Path(env["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"])
            headers["Authorization"] = (await asyncio.to_thread(path.read_text, "utf-8")).strip()
        elif "AWS_CONTAINER_AUTHORIZATION_TOKEN" in env:
            headers["Authorization"] = env["AWS_CONTAINER_AUTHORIZATION_TOKEN"]
        answer = await self._http.get(url, headers=headers)
        self._check(answer, "the container's credentials")
        try:
            found = orjson.loads(answer.content)
            return AwsCredentials(
                str(found["AccessKeyId"]),
                str(found["SecretAccessKey"]),
                str(found["Token"]),
                _moment(str(found["Expiration"])),
            )
        except (ValueError, KeyError, TypeError) as error:
            message = "what the container's endpoint answers are no credentials"
            raise ProviderUnavailable(self._name, message) from error

    def _check(self, answer: httpx2.Response, who: str) -> None:
        """Raise what an answer that is no success means; its words may quote a token and stay out."""
        if answer.status_code == 200:
            return
        message = f"{who} answered {answer.status_code}"
        if answer.status_code in {400, 401, 403, 404}:
            raise ProviderRefused(self._name, message)
        raise ProviderUnavailable(self._name, message)


def _element(text: str, name: str, provider: str) -> str:
    # STS answers with XML of a fixed shape, of which four leaves are wanted: no parser, no entities.
    found = re.search(f"<{name}>([^<]+)</{name}>", text)
    if found is None:
        raise ProviderUnavailable(provider, f"what STS answers has no {name}")
    return html.unescape(found[1])


def _moment(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
