"""Names of our actors and how long they live, in one table."""

from typing import Final

NAMESPACE: Final = "supportmax"
"""Ray namespace of everything of ours; operators find it in the dashboard under this name."""

COORDINATOR: Final = "coordinator"
INDEXER: Final = "knowledge-indexer"
