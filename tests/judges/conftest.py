"""The judges that are servers, each started once, and our simulators for the clients of others."""

import shutil
from collections.abc import AsyncIterator, Iterator

import pytest

from tests.judges.judge import HERE, REPOSITORY, absent, program, serving
from tests.judges.llmock import Llmock, developer_path
from tests.judges.openai_document import write_part
from tests.judges.relay import relayed
from tests.ports import free_port
from tests.servers import Simulators
from tests.servers import simulators as running_simulators

PRISM_START_S = 90.0  # 5 s on an idle machine
LLMOCK_START_S = 30.0  # 2 s on an idle machine
# Between two chunks of a stream: long enough for a client that has seen enough to hang up.
LLMOCK_CHUNK_MS = 25


@pytest.fixture(scope="session")
def llmock_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """llmock's port; it breaks only what it is told to."""
    port = free_port()
    command = [program(REPOSITORY / ".judges/llmock/bin/llmock"), "serve"]
    address = ["--host", "127.0.0.1", "--port", str(port)]
    pace = ["--stream-chunk-delay-ms", str(LLMOCK_CHUNK_MS)]
    log = tmp_path_factory.mktemp("llmock") / "log"
    ready = f"http://127.0.0.1:{port}/health"
    with serving([*command, *address, *pace], ready, log, within_s=LLMOCK_START_S):
        yield port


@pytest.fixture
async def llmock(llmock_port: int) -> AsyncIterator[Llmock]:
    """llmock with nothing scripted and nobody judged, and Gemini under the paths of Vertex AI."""
    async with relayed(llmock_port, developer_path) as relay:
        judge = Llmock(f"http://127.0.0.1:{llmock_port}", relay)
        await judge.reset()
        yield judge


@pytest.fixture(scope="session")
def simulators(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulators]:
    """Our simulators, for a client of somebody else's."""
    with running_simulators(tmp_path_factory.mktemp("simulators")) as running:
        yield running


@pytest.fixture(scope="session")
def prism(
    simulators: Simulators, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """Prism in front of our OpenAI simulator; it lets pass what OpenAI's document allows."""
    if shutil.which("node") is None:
        absent("there is no Node.js on this machine, and Prism runs on it")
    command = program(HERE / "node_modules/.bin/prism")
    folder = tmp_path_factory.mktemp("prism")
    write_part(folder / "openai.json")
    port = free_port()
    upstream = simulators.address("openai")
    what = ["proxy", str(folder / "openai.json"), upstream, "--errors"]
    where = ["--host", "127.0.0.1", "--port", str(port)]
    terminal = request.config.pluginmanager.get_plugin("terminalreporter")
    if terminal is not None:
        terminal.write_line("starting Prism, which takes a few seconds …")
    base = f"http://127.0.0.1:{port}"
    with serving(
        [command, *what, *where], f"{base}/models", folder / "log", within_s=PRISM_START_S
    ):
        yield base
