"""docs/scim.md: its configuration can be used, and its two requests let a person in and put them out."""

import json
import re
from pathlib import Path

from config import check
from tests.scim_world import Scim, directory, directory_settings

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/scim.md").read_text("utf-8")


def test_the_configuration_is_one_beside_the_shipped_files(tmp_path: Path) -> None:
    (example,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    file = tmp_path / "my-scim.yaml"
    file.write_text(example)
    code, lines = check.run([ROOT / "config", file], {}, "development")
    assert code == 0, lines
    (said,) = re.findall(r"`check` prints `(.*?)`", PAGE)
    assert said in lines


async def test_its_requests_let_a_person_in_and_put_them_out(tmp_path: Path) -> None:
    made, put_out = (json.loads(body) for body in re.findall(r"-d '(.*?)'\n", PAGE))
    async with directory(tmp_path, directory_settings()) as world:
        scim = Scim(world.http, await world.key("provisioner"))
        ann = await scim.ask("POST", "/Users", made)
        assert (ann.status_code, ann.json()["active"]) == (201, True)
        gone = await scim.ask("PATCH", f"/Users/{ann.json()['id']}", put_out)
        assert (gone.status_code, gone.json()["active"]) == (200, False)
