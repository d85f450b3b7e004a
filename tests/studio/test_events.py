"""Pages that listen to a project miss none of its changes."""

from __future__ import annotations

import asyncio
from typing import Any

from posecast.studio.events import Hub


def test_a_change_while_a_page_begins_to_listen_reaches_it() -> None:
    """The state that it gets first may be older than the change."""
    hub = Hub()

    def first() -> dict[str, Any]:
        hub.tell("state", "changed")
        return {"state": "before"}

    async def heard() -> list[str]:
        events = hub.listen(first)
        return [await asyncio.wait_for(anext(events), 5) for _ in range(2)]

    assert [event.split("data: ")[1].strip() for event in asyncio.run(heard())] == [
        '"before"',
        '"changed"',
    ]
