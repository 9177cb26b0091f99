"""Our signatures are those that AWS publishes, and those that botocore makes."""

import calendar
import json
import subprocess
import time

import pytest

from deployments.key_management.sigv4 import AwsCredentials, Scope, sign
from tests.judges.judge import REPOSITORY, program

# From AWS's test suite and documentation of Signature Version 4; nobody's keys.
_EXAMPLE = AwsCredentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
_MOMENT = float(calendar.timegm(time.strptime("20150830T123600Z", "%Y%m%dT%H%M%SZ")))
_BOTOCORE = """
import datetime, json, sys
import botocore.auth, botocore.awsrequest, botocore.credentials
asked = json.load(sys.stdin)
class Then(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return cls.fromtimestamp(asked["now"], tz or datetime.timezone.utc)
    @classmethod
    def utcnow(cls):
        return cls.fromtimestamp(asked["now"], datetime.timezone.utc).replace(tzinfo=None)
datetime.datetime = Then
if hasattr(botocore.auth, "get_current_datetime"):
    botocore.auth.get_current_datetime = lambda *a, **k: Then.utcnow()
request = botocore.awsrequest.AWSRequest(
    method="POST", url=asked["url"], headers=asked["headers"], data=asked["body"].encode())
credentials = botocore.credentials.Credentials(*asked["credentials"])
botocore.auth.SigV4Auth(credentials, asked["service"], asked["region"]).add_auth(request)
print(request.headers["Authorization"])
"""


@pytest.mark.parametrize(
    ("url", "headers", "scope", "signature"),
    [
        (
            "https://example.amazonaws.com/",
            {},
            Scope("us-east-1", "service"),
            "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
        ),
        (
            "https://iam.amazonaws.com/?Action=ListUsers&Version=2010-05-08",
            {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"},
            Scope("us-east-1", "iam"),
            "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7",
        ),
    ],
)
def test_the_published_examples_come_out(
    url: str, headers: dict[str, str], scope: Scope, signature: str
) -> None:
    signed = sign("GET", url, headers, b"", _EXAMPLE, scope, _MOMENT)
    assert signed["authorization"].endswith(f"Signature={signature}")


@pytest.mark.parametrize("token", [None, "a/session+token=="])
def test_botocore_signs_a_call_of_kms_the_same_way(token: str | None) -> None:
    python = program(REPOSITORY / ".judges/moto/bin/python")
    url, body = "https://kms.eu-central-1.amazonaws.com/", '{"KeyId": "a", "Plaintext": "aGk="}'
    headers = {"content-type": "application/x-amz-json-1.1", "x-amz-target": "TrentService.Encrypt"}
    asked = {
        "url": url,
        "headers": headers,
        "body": body,
        "credentials": [_EXAMPLE.access_key_id, _EXAMPLE.secret_access_key, token],
        "service": "kms",
        "region": "eu-central-1",
        "now": _MOMENT,
    }
    theirs = subprocess.run(
        [python, "-c", _BOTOCORE],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    credentials = AwsCredentials(_EXAMPLE.access_key_id, _EXAMPLE.secret_access_key, token)
    scope = Scope("eu-central-1", "kms")
    ours = sign("POST", url, headers, body.encode(), credentials, scope, _MOMENT)
    assert ours["authorization"] == theirs
