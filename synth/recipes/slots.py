"""Planned rows of one seed and what became of each: kept, rejected, failed, or still pending.

The plan is known before anything is asked. Every slot is settled exactly once; by-products that were never planned as
rows (a question that was not chosen, a second chain) are rejected without a slot. This is what makes the identity
*planned = kept + rejected + failed + pending* true by construction.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Literal

from synth.ask import AskFailed, AskRejected
from synth.rows import Kept, Rejected, row_id
from synth.spec import Produce

Status = Literal["rejected", "failed"]
Slot = tuple[str, str]
"""(kind of row, name): ("sft", "0"), ("preference", "reward"), ("dialogue", "1")."""

BYPRODUCTS = ("question", "answer", "chain", "turn")


def planned_slots(produce: Produce) -> tuple[Slot, ...]:
    """The rows that one seed may give, in the order in which they are exported."""
    slots: list[Slot] = []
    if produce.answers:
        slots.append(("sft", "0"))
    if produce.reasoning:
        slots.append(("reasoning", "0"))
    dialogues = range(produce.dialogues.per_seed) if produce.dialogues else range(0)
    slots += [("dialogue", str(n)) for n in dialogues]
    origins = produce.preferences.from_ if produce.preferences else []
    for origin in ("reasoning_over_answer", "reward", "verified_over_unverified"):
        if origin in origins:
            slots.append(("preference", origin))
    if "dialogue_outcome" in origins:
        slots += [("preference", f"dialogue_outcome-{n}") for n in dialogues]
    return tuple(slots)


class Slots:
    """The slots of one seed."""

    def __init__(self, seed_id: str, planned: Sequence[Slot]) -> None:
        self.seed_id = seed_id
        self._planned = tuple(planned)
        self._settled: dict[Slot, Kept | Rejected] = {}
        self._byproducts: list[tuple[str, str, Rejected]] = []

    def has(self, kind: str, name: str = "0") -> bool:
        """Whether this row is planned."""
        return (kind, name) in self._planned

    def open(self, *wanted: Slot) -> list[Slot]:
        """Slots that are not settled yet, of those wanted (of all, when none are named)."""
        return [s for s in self._planned if s not in self._settled and (not wanted or s in wanted)]

    def keep(self, kind: str, name: str, row: dict[str, Any], content: object) -> None:
        """Settle a slot with a finished row; its id is derived from ``content``."""
        self._settle((kind, name), Kept(kind, {"id": row_id(kind, self.seed_id, name, content), **row}))

    def reject(
        self,
        slots: Sequence[Slot],
        step: str,
        reason: str,
        detail: str = "",
        payload: Mapping[str, Any] | None = None,
        *,
        status: Status = "rejected",
    ) -> None:
        """Settle slots without a row."""
        for slot in slots:
            self._settle(slot, self._rejected(slot[0], slot[1], step, reason, detail, payload, status))

    def byproduct(
        self, kind: str, name: str, step: str, reason: str, detail: str = "", payload: Mapping[str, Any] | None = None
    ) -> None:
        """Record something that was made and not used, and was never planned as a row."""
        assert kind in BYPRODUCTS, kind
        rejected = self._rejected(kind, name, step, reason, detail, payload, "rejected")
        self._byproducts.append((kind, name, rejected))

    @contextmanager
    def covering(self, *slots: Slot, so_far: Callable[[], dict[str, Any]] = dict) -> Iterator[None]:
        """Settle these slots, as far as they are open, when asking fails inside the block.

        ``so_far`` gives what had been made by then, for the payload.
        """
        try:
            yield
        except AskRejected as err:
            self.reject(self.open(*slots), err.step, err.reason, err.detail, {"reply": err.text[:4000], **so_far()})
        except AskFailed as err:
            self.reject(self.open(*slots), err.step, err.kind, err.detail, so_far() or None, status="failed")

    def results(self) -> tuple[list[Kept], list[Rejected]]:
        """Kept rows and rejections, in planned order, by-products last."""
        settled = [self._settled[s] for s in self._planned if s in self._settled]
        kept = [r for r in settled if isinstance(r, Kept)]
        # By-products are recorded as replies arrive, so they are sorted: order must not depend on time.
        made = [rejected for _, _, rejected in sorted(self._byproducts, key=lambda item: item[:2])]
        return kept, [r for r in settled if isinstance(r, Rejected)] + made

    def _settle(self, slot: Slot, result: Kept | Rejected) -> None:
        assert slot in self._planned, f"{slot} was never planned"
        assert slot not in self._settled, f"{slot} of {self.seed_id} is settled twice"
        self._settled[slot] = result

    def _rejected(
        self,
        kind: str,
        name: str,
        step: str,
        reason: str,
        detail: str,
        payload: Mapping[str, Any] | None,
        status: Status,
    ) -> Rejected:
        return Rejected(
            kind=kind,
            seed_id=self.seed_id,
            id=row_id(kind, self.seed_id, name, {"step": step, "reason": reason}),
            step=step,
            reason=reason,
            detail=detail,
            status=status,
            payload=dict(payload) if payload is not None else None,
        )
