"""A worker's line to the coordinator, which outlives the coordinator that it leads to."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any

from schemas.errors import RunError

RETRY_S = 0.25
SUCCESSOR_S = 600.0
"""A coordinator that follows one that died reads the pool first; so long at most."""

log = logging.getLogger(__name__)


class Link:
    """Calls the coordinator by its name. When it dies, calls wait for its successor, to which
    `rejoin` first says what this worker holds."""

    def __init__(self, name: str, rejoin: Callable[[Any], Awaitable[None]]) -> None:
        self._name = name
        self._rejoin = rejoin
        self._coordinator: Any = None
        self._gone: set[Any] = set()
        self._finding = asyncio.Lock()

    async def call(self, method: str, *arguments: Any) -> Any:
        """The result of the coordinator's method; raises what it raises, and RunError where no
        successor comes."""
        import ray

        while True:
            coordinator = self._coordinator or await self._find()
            try:
                return await getattr(coordinator, method).remote(*arguments)
            except ray.exceptions.RayTaskError as error:
                raise error.cause from None
            except ray.exceptions.ActorUnavailableError:
                # It lives, the network does not. Whether the call was heard nobody knows, so that
                # both sides say again what this worker holds.
                await asyncio.sleep(RETRY_S)
                self._forget(coordinator)
            except ray.exceptions.RayActorError:
                log.warning("the coordinator is gone; waiting for its successor")
                self._gone.add(coordinator._actor_id)
                self._forget(coordinator)

    def _forget(self, coordinator: Any) -> None:
        if self._coordinator is coordinator:
            self._coordinator = None

    async def _find(self) -> Any:
        """The living coordinator; the first caller looks for it, all others wait."""
        import ray

        async with self._finding:
            deadline = time.monotonic() + SUCCESSOR_S
            while self._coordinator is None:
                if time.monotonic() > deadline:
                    raise RunError(f"no coordinator {self._name!r} for {SUCCESSOR_S:.0f} s")
                found = await asyncio.to_thread(self._look_up)
                if found is None:
                    await asyncio.sleep(RETRY_S)
                    continue
                try:
                    await self._rejoin(found)
                    self._coordinator = found
                except ray.exceptions.RayTaskError as error:
                    raise error.cause from None
                except ray.exceptions.ActorUnavailableError:
                    await asyncio.sleep(RETRY_S)
                except ray.exceptions.RayActorError:
                    self._gone.add(found._actor_id)
            return self._coordinator

    def _look_up(self) -> Any:
        """The coordinator of this name, unless it is one that is known to be gone."""
        import ray

        try:
            found = ray.get_actor(self._name)
        except ValueError:
            return None
        return None if found._actor_id in self._gone else found
