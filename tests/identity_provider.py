"""nanoidp, a real identity provider, as a process of its own on a loopback port."""

import html
import json
import re
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urljoin

import httpx2
import yaml

from tests.ports import free_port

START_S = 30.0
STOP_S = 5.0
LOOK_S = 0.05
CLIENT, SECRET = "supportmax-web", "a-secret-of-the-test"
USER, PASSWORD = "ann", "correct horse"


@dataclass
class Idp:
    """One running provider. `browser` keeps its cookies as a person's browser would."""

    issuer: str
    folder: Path
    process: subprocess.Popen[bytes] = field(repr=False)

    def rotate(self) -> None:
        """Make it sign with a new key from now on."""
        httpx2.post(f"{self.issuer}/api/keys/rotate", timeout=START_S).raise_for_status()

    def program_token(self, **asked: str) -> str:
        """An access token of the client itself."""
        answer = httpx2.post(
            f"{self.issuer}/token",
            data={"grant_type": "client_credentials", **asked},
            auth=(CLIENT, SECRET),
            timeout=START_S,
        )
        answer.raise_for_status()
        return str(answer.json()["access_token"])

    def sign_on(self, url: str, user: str = USER, password: str = PASSWORD) -> str:
        """Follow `url` as a person does, and return the address the browser is sent back to."""
        with httpx2.Client(timeout=START_S) as browser:
            answer = browser.get(url)
            for _ in range(10):
                if answer.status_code in {301, 302, 303, 307}:
                    where = urljoin(str(answer.url), answer.headers["location"])
                    if not where.startswith(self.issuer):
                        return where
                    answer = browser.get(where)
                    continue
                fields = _fields(answer.text)
                action = re.search(r'<form[^>]*action="([^"]*)"', answer.text)
                target = urljoin(str(answer.url), action[1].replace("&amp;", "&") if action else "")
                answer = browser.post(
                    target or str(answer.url),
                    data={**fields, "username": user, "password": password},
                )
            raise AssertionError(f"no way back: {answer.status_code} {answer.text[:500]}")

    def certificate(self) -> str:
        """What it signs SAML with, in PEM, as its metadata says."""
        answer = httpx2.get(f"{self.issuer}/saml/metadata", timeout=START_S)
        found = re.search(r"X509Certificate>\s*([^<]+?)\s*<", answer.text)
        assert found is not None
        body = "\n".join(textwrap.wrap("".join(found[1].split()), 64))
        return f"-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n"

    def answer_form(self, url: str) -> dict[str, str]:
        """Sign on by SAML as a person does: the fields the browser is made to post back."""
        with httpx2.Client(timeout=START_S, follow_redirects=True) as browser:
            answer = browser.get(url)
            fields = _fields(answer.text)
            if "SAMLResponse" not in fields:
                form = {**fields, "username": USER, "password": PASSWORD}
                answer = browser.post(str(answer.url), data=form)
                fields = _fields(answer.text)
            assert "SAMLResponse" in fields, answer.text[:1000]
            return fields

    def stop(self) -> None:
        """Take it off the network."""
        self.process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(STOP_S)
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(STOP_S)


@contextmanager
def identity_provider(folder: Path, callbacks: list[str], audience: str) -> Iterator[Idp]:
    """Start one with one person and one client; stop it at the end."""
    port = free_port()
    issuer = f"http://127.0.0.1:{port}"
    config = folder / "config"
    config.mkdir(parents=True)
    settings = {
        "config_version": 1,
        "server": {"host": "127.0.0.1", "port": port},
        "oauth": {
            "issuer": issuer,
            "audience": audience,
            "clients": [
                {
                    "client_id": CLIENT,
                    "client_secret": SECRET,
                    "description": "the product under test",
                    "redirect_uris": callbacks,
                }
            ],
        },
        "saml": {"default_acs_url": f"{issuer}/nowhere", "export_groups": True},
    }
    people = {
        USER: {
            "password": PASSWORD,
            "email": "ann@acme.test",
            "groups": ["AGENTS"],
            "roles": ["USER"],
        }
    }
    (config / "settings.yaml").write_text(yaml.safe_dump(settings))
    (config / "users.yaml").write_text(yaml.safe_dump({"config_version": 1, "users": people}))
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "nanoidp", "--config", str(config), "--port", str(port)],
            cwd=folder,
            stdout=log,
            stderr=log,
        )
        idp = Idp(issuer, folder, process)
        try:
            _wait(idp, folder / "log")
            yield idp
        finally:
            idp.stop()


def _fields(page: str) -> dict[str, str]:
    """What a page's form would send."""
    found = re.findall(r'<input[^>]*name="([^"]+)"[^>]*value="([^"]*)"', page)
    return {name: html.unescape(value) for name, value in found}


def _wait(idp: Idp, log: Path) -> None:
    until = time.monotonic() + START_S
    with httpx2.Client(timeout=1.0) as http:
        while time.monotonic() < until:
            if idp.process.poll() is not None:
                raise RuntimeError(f"nanoidp did not start:\n{log.read_text()[-2000:]}")
            with suppress(httpx2.HTTPError, json.JSONDecodeError):
                if http.get(f"{idp.issuer}/.well-known/openid-configuration").status_code == 200:
                    return
            time.sleep(LOOK_S)
    raise RuntimeError(f"nanoidp did not answer:\n{log.read_text()[-2000:]}")
