"""What a replica raised, found in what Serve says of it."""

import pytest

from deployments.replica_faults import fault_in

FRAMES = """\
A replica failed to start with exception. Retrying 2 more time(s). Error:
\x1b[36mray::ServeReplica:supportmax:ingress.initialize_and_get_metadata()\x1b[39m (pid=7, ip=10.0.0.1, repr=<X: 1>)
  File "/usr/lib/python3.11/concurrent/futures/_base.py", line 449, in result
    return self.__get_result()
           ^^^^^^^^^^^^^^^^^^^
RuntimeError: Traceback (most recent call last):
  File "/opt/supportmax/deployments/ingress/server.py", line 99, in __init__
    raise error_at(path, "said: wrong")
{raised}
"""


@pytest.mark.parametrize(
    ("raised", "reason", "lasts"),
    [
        ("routing.errors.ConfigError: /etc/x.pem: is no certificate", "/etc/x.pem: is no certificate", True),
        (
            "config.problems.ConfigErrors: /a.yaml:1: server.port: 70000\nconfiguration: sso.issuer: no\n",
            "/a.yaml:1: server.port: 70000; configuration: sso.issuer: no",
            True,
        ),
        ("ValueError: said: wrong", "ValueError: said: wrong", False),
        ("redis.exceptions.ConnectionError: refused", "ConnectionError: refused", False),
    ],
)  # fmt: skip
def test_of_a_page_of_frames_the_words_of_the_last_error_stay(
    raised: str, reason: str, lasts: bool
) -> None:
    """What the configuration says lasts: no second attempt would end otherwise."""
    fault = fault_in(FRAMES.format(raised=raised))
    assert fault is not None
    assert (fault.reason, fault.lasts) == (reason, lasts)


@pytest.mark.parametrize("message", ["", "Upscaling from 0 to 1 replicas.", "Error:\n"])
def test_where_nothing_was_raised_nothing_is_found(message: str) -> None:
    assert fault_in(message) is None


def test_a_reason_has_a_bound() -> None:
    fault = fault_in("ValueError: " + "x" * 100_000)
    assert fault is not None
    assert len(fault.reason) == 2_000
