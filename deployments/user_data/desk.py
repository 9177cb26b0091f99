"""What a process needs for people's data: exports, erasures and ends by age, over one database."""

import secrets

from actors.database.duties import Duties
from actors.database.engine import Database
from actors.database.legal_holds import LegalHolds
from actors.database.person_erasure import PersonErasure
from actors.database.person_records import PersonRecords
from actors.database.retention import Retention
from config.retention import RetentionSettings
from deployments.security.trail import Trail
from deployments.user_data.erasing import Erasing, MemoryErasing
from deployments.user_data.exporting import Exporting
from deployments.user_data.sweeping import Sweeping
from routing.clock import Clock


class UserDataDesk:
    """The parts, wired; `sweeping` is started by processes that stay.

    What is too old is sought over `reports`, where a long search holds up no chat.
    """

    def __init__(
        self,
        database: Database,
        reports: Database,
        memory: MemoryErasing,
        settings: RetentionSettings,
        trail: Trail,
        clock: Clock,
    ) -> None:
        self.exporting = Exporting(PersonRecords(database), clock)
        self.erasing = Erasing(PersonErasure(database), memory, trail, clock)
        self.holds = LegalHolds(database)
        self.sweeping = Sweeping(
            Retention(reports),
            settings,
            self.erasing,
            Duties(database, secrets.token_hex(8)),
            trail,
            clock,
        )
