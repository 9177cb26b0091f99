"""Who wraps tenants' keys is said without a doubt, and never guessed."""

from pathlib import Path

import pytest

from config.check import run
from config.loader import load_settings
from config.problems import ConfigErrors

ARN = "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
VAULT = "vault: {address: https://vault.example.com:8200, key: k"


def written(folder: Path, text: str) -> list[Path]:
    path = folder / "supportmax.yaml"
    path.write_text(f"platforms: {{openai: {{simulated: true}}}}\nencryption:\n  {text}\n")
    return [path]


def test_nothing_said_is_a_file_in_the_data_directory_and_check_says_so() -> None:
    settings = load_settings(None, {}, "production").settings.encryption
    assert (settings.provider, settings.file.path) == ("file", None)
    _, lines = run(None, {}, "production")
    assert any("wrapped by the file data.keys in the data directory" in line for line in lines)


def test_check_names_who_wraps_and_who_else_unwraps(tmp_path: Path) -> None:
    text = f"provider: aws_kms\n  aws_kms: {{key_arn: '{ARN}'}}\n  {VAULT}, token_file: /run/t}}"
    status, lines = run(written(tmp_path, text), {}, "development")
    assert status == 0
    assert any("wrapped by aws_kms; vault can still unwrap" in line for line in lines)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("provider: aws_kms", "needs the section aws_kms"),
        ("provider: ${WHO}", "WHO not set"),
        ("provider: aws_kms\n  aws_kms: {key_arn: 'alias/mine'}", "key_arn"),
        (f"provider: vault\n  {VAULT}}}", "write kubernetes_role, or role_id"),
        (f"provider: vault\n  {VAULT}, token_file: /t, kubernetes_role: r}}", "or token_file"),
        (f"provider: vault\n  {VAULT}, role_id: r}}", "belong together"),
        ("provider: vault\n  vault: {address: http://vault.example.com, key: k}", "loopback alone"),
        (
            "provider: azure_key_vault\n  azure_key_vault: {vault_url: 'https://u:p@v', key_name: k}",
            "write an address",
        ),
        ("provider: google_kms\n  google_kms: {key: k}", "key"),
        ("file: {path: data.keys}", "whole path"),
    ],
)
def test_what_cannot_be_meant_is_refused(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ConfigErrors) as refused:
        load_settings(written(tmp_path, text), {}, "development")
    assert said in "\n".join(str(error) for error in refused.value.errors)
