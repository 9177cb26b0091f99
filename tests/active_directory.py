"""A real Active Directory domain controller, Samba's, in a folder of its own and thrown away at the end."""

import os
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.directory_server import provider
from tests.tls import CERTIFICATE, certificate

# Provisioning took 57 s on two busy cores, the start 18 s.
PROVISION_S = 600.0
START_S = 180.0
TOOL_S = 60.0
STOP_S = 15.0
LOOK_S = 0.5
# Samba listens where Active Directory does and nowhere else.
PORT = 636
ADMINISTRATOR, PASSWORD = "Administrator", "Corr3ct-horse!"
LOCKOUT_AFTER = 6
BASE = "DC=acme,DC=test"
PLANT = f"CN=Plant,CN=Users,{BASE}"


def need() -> str:
    """The path of samba-tool; the test is skipped where there is none."""
    found = shutil.which("samba-tool")
    if found is None or os.geteuid() != 0:
        pytest.skip("samba-ad-dc is not installed, or this is not root; see make test-ad")
    return found


@dataclass
class ActiveDirectory:
    """One running domain controller."""

    folder: Path
    process: subprocess.Popen[bytes] = field(repr=False)

    def tool(self, *words: str) -> str:
        """Change it as its administrators do; what samba-tool prints."""
        command = [need(), *words, f"--configfile={self.folder / 'etc' / 'smb.conf'}"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=TOOL_S, check=False)
        if done.returncode:
            raise RuntimeError(f"{words[:2]}: {done.stderr[-500:]}")
        return done.stdout

    def settings(self, **changed: Any) -> Mapping[str, Any]:
        """A provider of people for it, to stand under `sso_providers`."""
        directory = {
            "url": "ldaps://127.0.0.1",
            "ca_file": str(self.folder / "tls" / CERTIFICATE),
            "bind_dn": "svc@acme.test",
            "base_dn": BASE,
            **changed,
        }
        return provider("acme", PLANT, directory, self.folder, PASSWORD)

    def stop(self) -> None:
        """End it with all its processes."""
        if self.process.poll() is None:
            self.process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(STOP_S)
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(STOP_S)


@contextmanager
def active_directory(folder: Path) -> Iterator[ActiveDirectory]:
    """A domain: ann in Agents, which are in Team, which is in Plant; and four not to be let in."""
    tool = need()
    provision = [
        tool, "domain", "provision", "--use-rfc2307", "--realm=ACME.TEST", "--domain=ACME",
        "--server-role=dc", "--dns-backend=NONE", f"--adminpass={PASSWORD}",
        f"--targetdir={folder}", "--host-ip=127.0.0.1", "--host-name=dc1",
        "--option=interfaces=lo", "--option=bind interfaces only=yes",
        "--option=vfs objects=dfs_samba4 acl_xattr xattr_tdb",
    ]  # fmt: skip
    subprocess.run(provision, check=True, capture_output=True, timeout=PROVISION_S)
    tls = folder / "tls"
    tls.mkdir()
    certificate(tls)
    (tls / "key.pem").chmod(0o600)
    files = (("keyfile", "key.pem"), ("certfile", CERTIFICATE), ("cafile", CERTIFICATE))
    samba = shutil.which("samba", path=f"{os.environ.get('PATH', '')}:/usr/sbin") or "samba"
    command = [samba, "-i", "-s", str(folder / "etc" / "smb.conf")]
    command += ["--option=server services=ldap, kdc"]
    command += [f"--option=tls {name}={tls / file}" for name, file in files]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
    domain = ActiveDirectory(folder, process)
    try:
        _wait(domain)
        _populate(domain)
        yield domain
    finally:
        domain.stop()


def _populate(domain: ActiveDirectory) -> None:
    for user in ("svc", "ann", "disabled", "expired", "renewing", "locked"):
        renew = ["--must-change-at-next-login"] if user == "renewing" else []
        domain.tool("user", "create", user, PASSWORD, *renew)
    for group in ("Agents", "Team", "Plant"):
        domain.tool("group", "add", group)
    domain.tool("group", "addmembers", "Agents", "ann,disabled,expired,renewing,locked")
    domain.tool("group", "addmembers", "Team", "Agents")
    domain.tool("group", "addmembers", "Plant", "Team")
    domain.tool("user", "disable", "disabled")
    domain.tool("user", "setexpiry", "expired", "--days=0")
    after = f"--account-lockout-threshold={LOCKOUT_AFTER}"
    domain.tool("domain", "passwordsettings", "set", after)


def _wait(domain: ActiveDirectory) -> None:
    context = ssl.create_default_context(cafile=str(domain.folder / "tls" / CERTIFICATE))
    until = time.monotonic() + START_S
    while time.monotonic() < until:
        if domain.process.poll() is not None:
            raise RuntimeError(
                f"samba did not start:\n{(domain.folder / 'log').read_text()[-2000:]}"
            )
        with (
            suppress(OSError),
            socket.create_connection(("127.0.0.1", PORT), 2.0) as plain,
            context.wrap_socket(plain, server_hostname="127.0.0.1"),
        ):
            return
        time.sleep(LOOK_S)
    raise RuntimeError(f"samba did not answer:\n{(domain.folder / 'log').read_text()[-2000:]}")
