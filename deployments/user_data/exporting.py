"""Everything that is stored about a person, as lines of JSON that end in a manifest.

Whoever receives it can tell that it is whole: the last line has the counts and the SHA-256 of all
bytes before it. Without that line it was cut.
"""

import hashlib
from collections.abc import AsyncGenerator

import orjson

from actors.database.people import Person
from actors.database.person_records import PersonRecords
from routing.clock import Clock, rfc3339

FORMAT = "supportmax-user-data-1"
MEDIA_TYPE = "application/x-ndjson"


class Exporting:
    """Writes exports; of a person of whom there is nothing there is none."""

    def __init__(self, records: PersonRecords, clock: Clock) -> None:
        self._records = records
        self._clock = clock

    async def knows(self, person: Person) -> bool:
        """Whether there is anything; the same work for somebody of another tenant and for nobody."""
        return bool(await self._records.counts(person))

    async def lines(self, person: Person) -> AsyncGenerator[bytes, None]:
        """The lines, a page of records at a time.

        Raises:
            KeysUnavailable, DatabaseBusy, DatabaseUnavailable: the rest cannot be read; the
                manifest is then missing.
        """
        digest, counts = hashlib.sha256(), dict[str, int]()
        head = {"format": FORMAT, "user_id": person.user_id, "at": rfc3339(self._clock.now())}
        first = _line(head)
        digest.update(first)
        yield first
        async for page in self._records.pages(person):
            block = b"".join(
                _line({"section": record.section, "record": record.body}) for record in page
            )
            for record in page:
                counts[record.section] = counts.get(record.section, 0) + 1
            digest.update(block)
            yield block
        yield _line({"manifest": {"sections": counts, "sha256": digest.hexdigest()}})


def _line(body: object) -> bytes:
    return orjson.dumps(body, option=orjson.OPT_APPEND_NEWLINE)
