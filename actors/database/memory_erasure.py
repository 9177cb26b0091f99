"""Everything that memory keeps of a customer, removed in one transaction and counted."""

from sqlalchemy import Connection, Table, delete, func, select

from actors.database.engine import Database
from actors.database.erasing import UNDER_HOLD, is_held
from actors.database.memory_tables import memory_fact, runbook_run, runbook_step
from actors.database.tables import conversation, idempotency, turn
from routing.errors import ConflictError


class MemoryErasure:
    """Removes what memory keeps; what a company must keep (invoices, its journal) is not memory."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def erase(self, tenant: str, user_id: str) -> dict[str, int]:
        """Remove the customer's rows; how many of what. A second call finds nothing.

        `kept_answers` are answers that were kept for a day for whoever repeats a request.

        Raises:
            ConflictError: `legal_hold`: nothing was removed.
        """

        def work(connection: Connection) -> dict[str, int]:
            if is_held(connection, tenant, user_id):
                raise ConflictError("legal_hold", UNDER_HOLD)
            c, r = conversation.c, runbook_run.c
            spoken = select(c.id).where(c.tenant == tenant, c.user_id == user_id)
            run = select(r.id).where(r.tenant == tenant, r.user_id == user_id)
            counts = {
                "kept_answers": connection.execute(
                    delete(idempotency).where(
                        idempotency.c.tenant == tenant,
                        idempotency.c.state == "done",
                        idempotency.c.user_id == user_id,
                    )
                ).rowcount,
                # Their rows go with what they belong to, which is not counted by the database.
                "turns": connection.execute(
                    select(func.count()).where(
                        turn.c.tenant == tenant, turn.c.conversation_id.in_(spoken)
                    )
                ).scalar_one(),
                "runbook_steps": connection.execute(
                    select(func.count()).where(
                        runbook_step.c.tenant == tenant, runbook_step.c.run_id.in_(run)
                    )
                ).scalar_one(),
            }
            for name, table in _OF_CUSTOMERS.items():
                rows = delete(table).where(table.c.tenant == tenant, table.c.user_id == user_id)
                counts[name] = connection.execute(rows).rowcount
            return counts

        return await self._database.write(work)


_OF_CUSTOMERS: dict[str, Table] = {
    "conversations": conversation,
    "facts": memory_fact,
    "runbook_runs": runbook_run,
}
