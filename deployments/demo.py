"""The company that ships with the product: Northwind Cloud, so that the first question has an answer."""

from pathlib import Path

import config

TENANT = "northwind"
_HOME = Path(config.__file__).parent / "northwind"
ARTICLES = _HOME / "articles"
RULES = _HOME / "extraction.yaml"
RECORDS = _HOME
RUNBOOKS = _HOME / "runbooks"
