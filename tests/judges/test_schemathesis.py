"""schemathesis reads /openapi.json and asks the running product what follows from it, as every role.

No 500; no status, content type, header or body that the document does not promise; nothing accepted
that it forbids; every method that an address does not take refused, with the right ones in `Allow`.
The seed is fixed (schemathesis.toml), so every run asks the same.
"""

import asyncio
import subprocess
from collections.abc import AsyncIterator, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from tests.contract.sign_on_world import API, SITE
from tests.identity_provider import CLIENT, SECRET, identity_provider
from tests.integration.test_chat import key_of
from tests.judges.judge import HERE, REPOSITORY, program
from tests.product import Product, running

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(600)]

# An administrator may do most, so most is asked as one: every parameter once by rule, and then at
# random. The other roles differ in what is refused, which a few requests to each route find out.
ADMINISTRATORS, OTHERS = 3, 2
ROLES = ("supervisor", "agent", "service", "customer", "region", "provisioner")
# Without a key, and with one that nobody has.
NOBODY = {"without a key": None, "with nobody's": "smk_of_nobody"}
# Making its requests is most of what a judge does, on one core, and it asks one thing at a time. The
# administrator's asks alone: it holds breakers, spends budgets and changes the configuration.
AT_ONCE = 2
WITHIN_S = 500.0
LAST_WORDS, LINE_MAX = 20_000, 300


# What one address may ask for unnamed is less than a judge asks for in a minute. A real identity provider
# stands behind sign-on, which would else be refused before much of a request is looked at.
CONFIGURATION = """\
platforms: {{openai: {{simulated: true}}, anthropic: {{simulated: true}}}}
limits: {{addresses: {{admin: {{per_minute: 1000000}}, failures: {{per_minute: 1000000}}}}}}
sso:
  provider: oidc
  issuer: {issuer}
  tenant: northwind
  client_id: {client}
  client_secret: {secret}
  public_url: {site}
  audiences: [{api}]
  roles: [{{claim: groups, equals: AGENTS, role: agent}}]
"""


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """A product of its own: what is asked of it leaves budgets spent and breakers held."""
    folder = tmp_path_factory.mktemp("configuration")
    path = folder / "supportmax.yaml"
    with identity_provider(folder, [f"{SITE}/auth/sso/callback"], API) as idp:
        path.write_text(
            CONFIGURATION.format(
                issuer=idp.issuer, client=CLIENT, secret=SECRET, site=SITE, api=API
            )
        )
        with running(path) as product:
            yield product


def verdict(product: Product, key: str | None, examples: int) -> str:
    """What schemathesis says, empty if it finds nothing."""
    who = [] if key is None else ["--header", f"Authorization: Bearer {key}"]
    ended = subprocess.run(
        [
            program(REPOSITORY / ".judges/schemathesis/bin/st"),
            *("--config-file", str(HERE / "schemathesis.toml")),
            *("run", f"{product.address}/openapi.json"),
            *("--phases", "coverage,fuzzing" if examples > 2 else "fuzzing"),
            *("--max-examples", str(examples)),
            *who,
        ],
        cwd=product.home,
        capture_output=True,
        text=True,
        check=False,
        timeout=WITHIN_S,
    )
    # An address of thousands of characters is among what it asks.
    told = "\n".join(line[:LINE_MAX] for line in ended.stdout.splitlines())[-LAST_WORDS:]
    assert "Tested: " in ended.stdout, told + ended.stderr
    return "" if ended.returncode == 0 else told


async def test_every_answer_to_an_administrator_is_as_the_document_says(judged: Product) -> None:
    found = await asyncio.to_thread(verdict, judged, judged.key, ADMINISTRATORS)
    assert not found, found


@pytest.fixture(scope="module")
async def verdicts(judged: Product) -> AsyncIterator[Mapping[str, Future[str]]]:
    """What is found as whom, as soon as it is."""
    keys = {role: await key_of(judged, "northwind", role) for role in ROLES}
    judges = ThreadPoolExecutor(AT_ONCE)
    try:
        yield {
            who: judges.submit(verdict, judged, key, OTHERS)
            for who, key in {**keys, **NOBODY}.items()
        }
    finally:
        judges.shutdown(cancel_futures=True)


@pytest.mark.parametrize("who", [*ROLES, *NOBODY])
async def test_every_answer_to_everybody_else_is_as_the_document_says(
    verdicts: Mapping[str, Future[str]], who: str
) -> None:
    found = await asyncio.wrap_future(verdicts[who])
    assert not found, found
