"""A real slapd with TLS on a free loopback port, in a folder of its own, with a few people in it."""

import os
import shutil
import signal
import socket
import ssl
import subprocess
import textwrap
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.ports import free_port
from tests.tls import CERTIFICATE, certificate

START_S = 20.0
STOP_S = 5.0
LOOK_S = 0.02
_PATHS = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin"))
_SCHEMAS = Path("/etc/ldap/schema")
BASE = "dc=plant,dc=test"
SERVICE = f"cn=supportmax,{BASE}"
SERVICE_PASSWORD, PASSWORD = "of the service", "correct horse"
AGENTS = f"cn=agents,ou=groups,{BASE}"
STAFF = f"cn=staff,ou=groups,{BASE}"
ANN_ID = "11111111-2222-4333-8444-555555555555"

_CONFIG = """\
{schemas}
moduleload back_mdb
moduleload ppolicy
pidfile {folder}/pid
TLSCertificateFile {folder}/certificate.pem
TLSCertificateKeyFile {folder}/key.pem
TLSCACertificateFile {folder}/certificate.pem
database mdb
suffix {base}
rootdn cn=root,{base}
directory {folder}/data
overlay ppolicy
access to attrs=userPassword by anonymous auth by * none
access to * by dn.exact={service} read by * none
"""
_PEOPLE = f"""\
dn: {BASE}
objectClass: dcObject
objectClass: organization
dc: plant
o: Plant

dn: {SERVICE}
objectClass: organizationalRole
objectClass: simpleSecurityObject
cn: supportmax
userPassword: {SERVICE_PASSWORD}

dn: ou=people,{BASE}
objectClass: organizationalUnit
ou: people

dn: ou=groups,{BASE}
objectClass: organizationalUnit
ou: groups

dn: cn=Ann (the first)\\, of Plant,ou=people,{BASE}
objectClass: inetOrgPerson
cn: Ann (the first), of Plant
sn: Example
uid: ann
userPassword: {PASSWORD}
entryUUID: {ANN_ID}

dn: uid=lou,ou=people,{BASE}
objectClass: inetOrgPerson
cn: Lou
sn: Example
uid: lou
userPassword: {PASSWORD}
pwdAccountLockedTime: 000001010000Z

dn: uid=eve,ou=people,{BASE}
objectClass: inetOrgPerson
objectClass: shadowAccount
cn: Eve
sn: Example
uid: eve
userPassword: {PASSWORD}
shadowExpire: 1

dn: uid=twin,ou=people,{BASE}
objectClass: inetOrgPerson
cn: Twin
sn: Example
uid: twin
userPassword: {PASSWORD}

dn: cn=Other Twin,ou=people,{BASE}
objectClass: inetOrgPerson
cn: Other Twin
sn: Example
uid: twin
userPassword: {PASSWORD}

dn: {AGENTS}
objectClass: groupOfNames
cn: agents
member: cn=Ann (the first)\\, of Plant,ou=people,{BASE}
member: uid=lou,ou=people,{BASE}
member: uid=eve,ou=people,{BASE}
member: uid=twin,ou=people,{BASE}

dn: {STAFF}
objectClass: groupOfNames
cn: staff
member: {AGENTS}
"""


def need() -> str:
    """The path of slapd; the test is skipped where there is none, and fails where CI=true."""
    found = shutil.which("slapd", path=_PATHS)
    if found is None:
        if os.environ.get("CI") == "true":
            raise RuntimeError("slapd is missing; install the package slapd")
        pytest.skip("slapd is not installed")
    return found


@dataclass
class DirectoryServer:
    """One running slapd; `folder` holds the certificate to trust."""

    port: int
    folder: Path
    process: subprocess.Popen[bytes] = field(repr=False)

    def settings(self, **changed: Any) -> Mapping[str, Any]:
        """A provider of people for it, to stand under `sso_providers`."""
        directory = {
            "url": f"ldaps://127.0.0.1:{self.port}",
            "ca_file": str(self.folder / CERTIFICATE),
            "bind_dn": SERVICE,
            "base_dn": BASE,
            "kind": "ldap",
            **changed,
        }
        return provider("plant", STAFF, directory, self.folder, SERVICE_PASSWORD)

    def freeze(self) -> None:
        """Let it answer nobody, with every connection open."""
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self.process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        """End it, whatever state it is in."""
        if self.process.poll() is None:
            self.thaw()
            self.process.kill()
            self.process.wait(STOP_S)


def provider(
    tenant: str, staff: str, directory: Mapping[str, Any], folder: Path, password: str
) -> Mapping[str, Any]:
    """A provider whose people of the group `staff` are agents; the password's file is put into `folder`."""
    file = folder / "service.password"
    file.write_text(password)
    return {
        "provider": "ldap",
        "tenant": tenant,
        "public_url": "https://support.acme.test",
        "roles": [{"claim": "groups", "equals": staff, "role": "agent"}],
        "directory": {"password_file": str(file), **directory},
    }


@contextmanager
def directory_server(folder: Path) -> Iterator[DirectoryServer]:
    """A directory of one's own."""
    slapd = need()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "data").mkdir()
    certificate(folder)
    names = ("core", "cosine", "inetorgperson", "nis")
    schemas = "\n".join(f"include {_SCHEMAS}/{name}.schema" for name in names)
    config = folder / "slapd.conf"
    config.write_text(
        "modulepath /usr/lib/ldap\n"
        + _CONFIG.format(schemas=schemas, folder=folder, base=BASE, service=SERVICE)
    )
    (folder / "people.ldif").write_text(textwrap.dedent(_PEOPLE))
    loading = [slapd, "-T", "add", "-q", "-f", str(config), "-l", str(folder / "people.ldif")]
    subprocess.run(loading, check=True, timeout=START_S, capture_output=True)
    port = free_port()
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [slapd, "-d", "0", "-f", str(config), "-h", f"ldaps://127.0.0.1:{port}"],
            stdout=log,
            stderr=log,
        )
    server = DirectoryServer(port, folder, process)
    try:
        _wait(server)
        yield server
    finally:
        server.stop()


@contextmanager
def cutting(port: int, after: int) -> Iterator[int]:
    """A way to `port` that ends after so many bytes from there; the port of its beginning."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            with suppress(OSError):
                while True:
                    near, _ = listening.accept()
                    threading.Thread(target=_relay, args=(near, port, after), daemon=True).start()

        threading.Thread(target=serve, daemon=True).start()
        yield int(listening.getsockname()[1])
        with suppress(OSError):
            listening.shutdown(socket.SHUT_RDWR)


def _relay(near: socket.socket, port: int, after: int) -> None:
    with near, socket.create_connection(("127.0.0.1", port)) as far:

        def forth() -> None:
            with suppress(OSError):
                while data := near.recv(65_536):
                    far.sendall(data)

        threading.Thread(target=forth, daemon=True).start()
        left = after
        with suppress(OSError):
            while left > 0 and (data := far.recv(min(left, 65_536))):
                near.sendall(data)
                left -= len(data)
            near.shutdown(socket.SHUT_RDWR)


def _wait(server: DirectoryServer) -> None:
    context = ssl.create_default_context(cafile=str(server.folder / CERTIFICATE))
    until = time.monotonic() + START_S
    while time.monotonic() < until:
        if server.process.poll() is not None:
            raise RuntimeError(
                f"slapd did not start:\n{(server.folder / 'log').read_text()[-2000:]}"
            )
        with (
            suppress(OSError),
            socket.create_connection(("127.0.0.1", server.port), 1.0) as plain,
            context.wrap_socket(plain, server_hostname="127.0.0.1"),
        ):
            return
        time.sleep(LOOK_S)
    raise RuntimeError("slapd did not answer")
