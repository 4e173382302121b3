"""A request that is sent again under its idempotency key: done once, answered the same. For what is not a command on a
case; those are remembered with the case they changed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from pydantic import BaseModel

from storage import Duplicate, Remembered, Tx
from workflow.core.events import Principal
from workflow.core.refusals import refuse


def once(
    tx: Tx,
    principal: Principal,
    key: str | None,
    *,
    about: tuple[str, BaseModel],
    at: str,
    make: Callable[[], str],
) -> tuple[str, bool]:
    """The id that `make` gives of what it made, or, when this principal used `key` before, the id of then; and whether
    it was so. `about`: what is asked of what, and its content, which must be the same. Raises Refused
    `idempotency-key-reused`."""
    if key is None:
        return make(), False
    digest = hashlib.sha256(f"{about[0]}\n{about[1].model_dump_json()}".encode()).hexdigest()
    known = tx.remembered(principal.caller, key)
    if known is None:
        made = make()
        if not tx.remember(Remembered(principal.caller, key, digest, None, 201, made.encode(), at)):
            raise Duplicate("idempotency")  # by another process, meanwhile: the writer begins again
        return made, False
    if known.body_hash != digest:
        raise refuse(
            "idempotency-key-reused",
            "这个幂等键已用于另一请求; 新请求请换新键, 重试请发送完全相同的内容",
            "This idempotency key was used for another request; use a new key, or repeat the same content",
        )
    return known.answer.decode(), True
