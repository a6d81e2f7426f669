"""Commits what workers deliver: one task in the background, many deliveries in one commit.

A commit takes about 17 ms; only after it a delivery is acknowledged. While the store is out,
deliveries wait.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from infra.data_file import DataFile
from infra.patience import Patience
from infra.pool_writer import PoolWriter
from schemas.arrow import TABLES


@dataclass
class _Delivery:
    """Files that wait for their commit."""

    table: str
    files: Sequence[DataFile]
    replaced: Sequence[DataFile]
    then: Callable[[], None]
    acknowledged: "asyncio.Future[None]" = field(default_factory=asyncio.Future)


class Committer:
    """The only one that commits to the pool; after a failure it commits nothing any more."""

    def __init__(self, writer: PoolWriter, patience: Patience) -> None:
        self._writer = writer
        self._patience = patience
        self._deliveries: asyncio.Queue[_Delivery] = asyncio.Queue()
        self._failure: Exception | None = None
        self.open = 0
        """Commits that are asked for and not done."""

    @property
    def trouble(self) -> str | None:
        """What it waits for."""
        return self._patience.trouble

    def check(self) -> None:
        """Raises what stopped it, if anything did."""
        if self._failure is not None:
            raise self._failure

    async def commit(
        self,
        table: str,
        files: Sequence[DataFile],
        then: Callable[[], None],
        replaced: Sequence[DataFile] = (),
    ) -> None:
        """Adds files in place of those that they replace. Returns when that is durable and `then`
        has been called; raises what stopped the committer."""
        delivery = _Delivery(table, files, replaced, then)
        self.open += 1
        try:
            await self._deliveries.put(delivery)
            await delivery.acknowledged
        finally:
            self.open -= 1

    async def work(self, after: Callable[[], None]) -> None:
        """Commits for ever; calls `after` each time."""
        while True:
            waiting = [await self._deliveries.get()]
            while not self._deliveries.empty():
                waiting.append(self._deliveries.get_nowait())
            for table in TABLES:
                await self._commit_together(table, [d for d in waiting if d.table == table])
            after()

    async def _commit_together(self, table: str, deliveries: list[_Delivery]) -> None:
        files = [file for delivery in deliveries for file in delivery.files]
        replaced = [file for delivery in deliveries for file in delivery.replaced]
        try:
            self.check()
            if files or replaced:
                await self._patience(lambda: self._writer.commit(table, files, replaced))
            for delivery in deliveries:
                delivery.then()
        except Exception as error:  # reaches every worker and the driver
            self._failure = error
            for delivery in _awaited(deliveries):
                delivery.acknowledged.set_exception(error)
            return
        for delivery in _awaited(deliveries):
            delivery.acknowledged.set_result(None)


def _awaited(deliveries: Sequence[_Delivery]) -> list[_Delivery]:
    """Without those whose sender does not wait any more."""
    return [delivery for delivery in deliveries if not delivery.acknowledged.done()]
