"""A query's log as readers see it: committed events and output, from any cursor, live or later."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import aclosing

from chenu_server.command import Key
from chenu_server.errors import ChenuError, InvalidField
from chenu_server.pipeline.bell import Bell
from chenu_server.pipeline.conversation import Part
from chenu_server.pipeline.events import Event
from chenu_server.pipeline.model import Cursor
from chenu_server.pipeline.output import Heading, part_from
from chenu_server.pipeline.pieces import (
    DELTA_BYTES_MAX,
    PartKey,
    Piece,
    Saying,
    is_inside,
    is_same_part,
    pieces_of,
    size_of,
)
from chenu_server.pipeline.records import Asked, EventSegment, Operation, OutputChunk
from chenu_server.vocabulary import EventKind, PartKind, QueryStatus

# A member that is looked up in its class costs more than the rest of what is done for an event.
_CALL_BEGINS = EventKind.LLM_CALL_START
_CALL_ENDS = (EventKind.LLM_CALL_COMPLETE, EventKind.LLM_CALL_ERROR)
_BEHIND_OUTPUT = (EventKind.PART_COMPLETE, *_CALL_ENDS)
_FINAL = tuple(kind for kind in EventKind if kind.is_final)


class _Reader(Bell):
    """One follower's place to be woken, and the error that ends it early.

    One that `asks` wants the query to run, and is answered if it may not; a watcher only looks.
    One that `stops` wants it to end, and is answered if it goes on. One that `takes` pieces is
    told of all that comes, and `has_output` once the first is with its transport.
    """

    __slots__ = ("asks", "error", "has_output", "stops", "takes")

    def __init__(self, *, asks: bool = True, stops: bool = False, takes: bool = False) -> None:
        super().__init__()
        self.asks = asks
        self.stops = stops
        self.takes = takes
        self.has_output = not takes
        self.error: ChenuError | None = None


class QueryLog:
    """Everything one query has said, in order. Readers hold an index, never a copy.

    Parts of an answer that are said live come in the order of their numbers, each in one go; the
    decoder sees to that. Tool calls come behind all of them, whatever their numbers, once they are
    committed. So a place in a part says of all other parts whether they were read.
    """

    def __init__(self, key: Key, asked: Asked) -> None:
        self.key = key
        self.asked = asked
        self.query: Operation | None = None
        self.refusal: ChenuError | None = None
        self.is_rested = False
        self._resting: asyncio.Event | None = None
        self._items: list[Event | Piece] = []
        self._count = 0
        self._early: dict[int, Event] = {}
        self._headings: dict[PartKey, Heading] = {}
        self._proofs: dict[PartKey, tuple[str, ...]] = {}
        self._ends: dict[PartKey, int] = {}
        self._last: PartKey = (0, 0)
        self._stored: dict[PartKey, list[OutputChunk]] = {}
        self._readers: set[_Reader] = set()
        self._all_have_output: Bell | None = None
        self._ended = False
        self._first: QueryLog | None = None
        self.loaded = False
        self.attempt = 0
        """The last attempt that has begun, as far as is known here."""
        self.heard = 0
        """Up to which position of another process's log the output of it is here."""

    # --- what is written ----------------------------------------------------------------------

    def commit(self, events: Iterable[Event]) -> None:
        """Append committed events; known ones are passed over, early ones kept for later."""
        early = self._early
        for event in events:
            if event.sequence == self._count + 1:
                self._append(event)
                while early and (following := early.pop(self._count + 1, None)) is not None:
                    self._append(following)
            elif event.sequence > self._count:
                # What is loaded and what is committed meanwhile come in either order, and a
                # sequence that is ahead waits until the gap is filled.
                early[event.sequence] = event
        if self._ended:
            # A log that is loaded again stores pieces whose ends were told before: nothing would
            # ask for them any more, and a long answer would stay in memory twice.
            self._stored.clear()
        self._tell_of_more()

    def _append(self, event: Event) -> None:
        self._count, kind = event.sequence, event.kind
        if kind in _BEHIND_OUTPUT:
            if self._stored:
                self._tell_stored(event)
        elif kind is _CALL_BEGINS:
            self.attempt = event.body["attempt"]
        elif kind in _FINAL:
            self._ended = True
        self._items.append(event)

    def store(self, chunk: OutputChunk) -> None:
        """A committed piece: told in front of its part's end, unless it was said live."""
        key = (chunk.attempt, chunk.part)
        if chunk.offset == 0:
            self._headings[key] = chunk.heading
            self._proofs[key] = chunk.proof
        self._stored.setdefault(key, []).append(chunk)

    def _tell_stored(self, event: Event) -> None:
        """Before any end what is said live, as if it had been; a tool call before its own end."""
        attempt, part = event.body["attempt"], event.body.get("part")
        is_end = event.kind in _CALL_ENDS
        due = [
            key
            for key in self._stored
            if key[0] == attempt and (is_end or key[1] == part or not self._is_call(key))
        ]
        for key in sorted(due, key=self._place_of):
            for chunk in self._stored.pop(key):
                self._say_rest(key, self._headings[key], chunk.offset, chunk.text)

    def _say_rest(self, key: PartKey, heading: Heading, offset: int, text: str) -> None:
        """What is new of a piece: it may have been said, in part or whole, as it was made."""
        known = self._ends.get(key, 0) - offset
        if known <= 0:
            self._say(key, heading, text)
        elif known < size_of(text):
            self._say(key, heading, text.encode()[known:].decode())

    def hear(self, position: int, sayings: Iterable[Saying]) -> None:
        """Append what a query of another process has said, up to a position in its log there."""
        for said in sayings:
            key = (said.attempt, said.part)
            if said.offset > self._ends.get(key, 0):
                return  # a piece before it is missing, which is told again
            self._say_rest(key, said.heading, said.offset, said.text)
        self.heard = max(self.heard, position)
        self._tell_of_more()

    def set_query(self, query: Operation) -> None:
        """The row as it was just committed."""
        # A read that began before the last commit may come back after it, and must not take the
        # query back to where it was.
        if self.query is None or query.event_count >= self.query.event_count:
            self.query = query
            if query.status.is_final or query.status is QueryStatus.BLOCKED:
                self._rest()
                self._wake()
            else:
                self.is_rested = False

    def reopen(self) -> None:
        """A run begins: who asks waits for what it finds, not for what was last known here.

        Another process may have taken the query further. What has ended stays as it ended.
        """
        if self.query is None or not self.query.status.is_final:
            self.is_rested = False

    def settle(self) -> None:
        """No run looks into it any more: what is known here is all there is to tell."""
        if self.query is not None and self.query.status is QueryStatus.BLOCKED:
            self._rest()
            self._wake()

    def _rest(self) -> None:
        self.is_rested = True
        if self._resting is not None:
            self._resting.set()
            self._resting = None  # who waits for the next time makes its own

    def delta(self, attempt: int, part: int, heading: Heading, text: str) -> None:
        """Append output, live only until it is settled."""
        self._say((attempt, part), heading, text)
        self._tell_of_more()

    def _say(self, key: PartKey, heading: Heading, text: str) -> None:
        size = size_of(text)
        if size > DELTA_BYTES_MAX:
            for piece in pieces_of(text):
                self._keep(key, heading, piece, len(piece.encode()))
        elif size:
            self._keep(key, heading, text, size)

    def _keep(self, key: PartKey, heading: Heading, text: str, size: int) -> None:
        if key != self._last:
            self._headings[key] = heading
            assert self._place_of(key) > self._place_of(self._last), "a part is said in one go"
            self._last = key
        start = self._ends.get(key, 0)
        self._ends[key] = end = start + size
        self._items.append(Piece(*key, start, end, text))

    def _place_of(self, key: PartKey) -> tuple[int, bool, int]:
        """Where a part stands among all that are said."""
        return key[0], self._is_call(key), key[1]

    def _is_call(self, key: PartKey) -> bool:
        heading = self._headings.get(key)
        return heading is not None and heading.kind is PartKind.TOOL_CALL

    def notice(self, event: Event) -> None:
        """Show a live-only event to whoever reads now or later."""
        self._items.append(event)
        self._tell_of_more()

    def load(self, segments: Sequence[EventSegment], chunks: Sequence[OutputChunk]) -> None:
        """Append what is stored."""
        self.loaded = True
        # Before the events: a part's end tells whatever is stored of the part.
        for chunk in chunks:
            self.store(chunk)
        self.commit(event for segment in segments for event in segment.events)

    def refuse(self, error: ChenuError) -> None:
        """The query never came to be: everyone gets this error, now and later."""
        self.refusal = error
        self._rest()
        self.fail_readers(error)

    def fail_readers(self, error: ChenuError, *, watchers: bool = True) -> None:
        """End today's readers with an error, watchers too or not; the log itself goes on."""
        for reader in self._readers:
            if reader.asks or watchers:
                reader.error = error
        self._wake()

    def fail_stops(self, error: ChenuError) -> None:
        """Tell those that want the query to end that it goes on; nobody else is told anything."""
        for reader in self._readers:
            if reader.stops:
                reader.error = error
        self._wake()

    def lead_to(self, first: QueryLog) -> None:
        """The id proved another name of a query: who reads here reads its log from now on."""
        self._first = first
        first._readers |= self._readers  # at once: what fails them may come before they wake
        self._wake()

    # --- what is read -------------------------------------------------------------------------

    @property
    def current(self) -> QueryLog:
        """The log that is read here: this one, or that of the query which the id names too."""
        return self._first or self

    @property
    def parts(self) -> tuple[Part, ...]:
        """The parts of the whole output so far, by number."""
        return self.current._parts()

    def _parts(self) -> tuple[Part, ...]:
        # Also of parts without a piece: a sealed thought has a proof and no text.
        said: dict[PartKey, list[str]] = {key: [] for key in sorted(self._headings)}
        for item in self._items:
            if isinstance(item, Piece):
                said[item.attempt, item.part].append(item.text)
        proofs = self._proofs
        return tuple(part_from(self._headings[key], proofs.get(key, ()), said[key]) for key in said)

    @property
    def is_ended(self) -> bool:
        """Whether the final event is in."""
        return self._ended

    @property
    def is_followed(self) -> bool:
        """Whether somebody waits for what comes."""
        return bool(self._readers) and not self._ended

    def said_behind(self, position: int, bytes_max: int) -> tuple[int, list[Saying]]:
        """The output behind a position in this log, and the position behind it; so much at most."""
        found: list[Saying] = []
        while position < len(self._items) and bytes_max > 0:
            item = self._items[position]
            position += 1
            if isinstance(item, Piece):
                heading = self._headings[item.attempt, item.part]
                found.append(Saying(item.attempt, item.part, item.offset, item.text, heading))
                bytes_max -= item.end - item.offset
        return position, found

    async def rest(self, *, stops: bool = False) -> Operation:
        """
        The query once it is blocked or final, for one that wants it to run, or to end.

        Raises:
            ChenuError: It was refused before admission, or cannot be recorded or ended now.
        """
        return await self._rested(_Reader(stops=stops))

    async def _rested(self, reader: _Reader) -> Operation:
        self._readers.add(reader)
        try:
            while True:
                if reader.error is not None:
                    raise reader.error
                if self.is_rested:
                    break
                if self._first is not None:
                    return await self._first._rested(reader)
                await reader.wait()
        finally:
            self._leave(reader)
        if self.refusal is not None:
            raise self.refusal
        assert self.query is not None
        return self.query

    async def until_rested(self) -> None:
        """Until it is blocked, final or refused; it may go on again before the caller does."""
        if not self.is_rested:
            self._resting = self._resting or asyncio.Event()
            await self._resting.wait()

    def _leave(self, reader: _Reader) -> None:
        """One that was led on from another id reads in both logs, and is ended by either."""
        self._readers.discard(reader)
        reader.has_output = True
        self._tell_of_output()
        if self._first is not None:  # it may have been failed before it went on there
            self._first._leave(reader)

    async def shown(self, within_s: float) -> None:
        """Until all who follow have the first piece of what was said, or for so long."""
        # Attempts count from 1, so this is nobody's place: nothing was said.
        if self._last == (0, 0) or all(reader.has_output for reader in self._readers):
            return
        self._all_have_output = Bell()
        await self._all_have_output.wait(within_s)
        self._all_have_output = None

    def _tell_of_output(self) -> None:
        if self._all_have_output is not None and all(it.has_output for it in self._readers):
            self._all_have_output.ring()

    def follow(
        self, after: Cursor, coalesce_s: float, *, asks: bool = True
    ) -> AsyncGenerator[Event, None]:
        """
        Events behind a cursor, then new ones as they come; ends after the final event.

        Neighbouring pieces of output come as one delta of at most `DELTA_BYTES_MAX`, and what is
        less than that at most once per `coalesce_s`. A reader that does not ask for the query to
        run is not told when it may not for now.

        Raises:
            ChenuError: The query was refused, or its end cannot be recorded now.
            InvalidField: The cursor stands in an attempt that never was, or inside a character.
        """
        return self._said_to(_Reader(asks=asks, takes=True), after, coalesce_s)

    async def _said_to(
        self, reader: _Reader, after: Cursor, coalesce_s: float
    ) -> AsyncGenerator[Event, None]:
        self._must_hold(after)
        # Nothing was sent yet, so the first piece waits for no window.
        index, quiet_until = 0, 0.0
        self._readers.add(reader)
        try:
            while True:
                if reader.error is not None:
                    raise reader.error
                if self.refusal is not None:
                    raise self.refusal
                if self._first is not None:
                    # By the cursor that the reader came with: what stood here was live only, and
                    # has no place there.
                    following = self._first._said_to(reader, after, coalesce_s)
                    async with aclosing(following) as events:
                        async for said in events:
                            yield said
                    return
                if index >= len(self._items):
                    if self._ended:
                        return
                    # Without an await since the look at what there is, so that nothing is slept
                    # through.
                    await reader.wait()
                    continue
                item = self._items[index]
                if self._may_be_over(index):
                    await reader.wait()
                    continue
                if isinstance(item, Piece):
                    await self._gather(reader, item, quiet_until)
                    quiet_until = time.monotonic() + coalesce_s
                event, index = self._next(index, after)
                if event is not None:
                    yield event
                if not reader.has_output and isinstance(item, Piece):
                    reader.has_output = True
                    self._tell_of_output()
        finally:
            self._leave(reader)

    def _may_be_over(self, index: int) -> bool:
        """Whether this is the block that a run looks into anew; nobody is told of it till then."""
        item = self._items[index]
        return (
            isinstance(item, Event)
            and item.kind is EventKind.PIPELINE_BLOCKED
            and index == len(self._items) - 1
            and not self.is_rested
            and self.query is not None
            and self.query.status is QueryStatus.BLOCKED
        )

    def _must_hold(self, after: Cursor) -> None:
        """Whoever stood in a later attempt than the last would be given no output at all."""
        if self._ended and self.query is not None and after.attempt > self.query.attempts:
            raise InvalidField("after.attempt", f"the last attempt is {self.query.attempts}")

    async def _gather(self, reader: _Reader, first: Piece, quiet_until: float) -> None:
        """Let a part gather until it is enough, the window is over or something else has come."""
        while reader.error is None and is_same_part(last := self._items[-1], first):
            if last.end >= first.offset + DELTA_BYTES_MAX:
                return
            left = quiet_until - time.monotonic()
            if left <= 0:
                return
            await reader.wait(left)

    def _next(self, index: int, after: Cursor) -> tuple[Event | None, int]:
        item = self._items[index]
        if isinstance(item, Event):
            # What is live only has no sequence, and is shown to whoever reads now.
            known = 0 < item.sequence <= after.sequence
            return (None if known else item), index + 1
        seen = self._seen_of(item, after)
        fresh: list[Piece] = []
        while index < len(self._items):
            piece = self._items[index]
            if not is_same_part(piece, item):
                break
            if seen is not None and piece.end > seen:
                if fresh and piece.end - max(fresh[0].offset, seen) > DELTA_BYTES_MAX:
                    break
                fresh.append(piece)
            index += 1
        return (self._delta_event(fresh, seen or 0) if fresh else None), index

    def _seen_of(self, piece: Piece, after: Cursor) -> int | None:
        """Up to where the reader has the piece's part; None: it has gone on from it."""
        # A cursor that names no place in its attempt has read nothing of it, and all of those
        # before.
        if piece.attempt != after.attempt or after.part == after.offset == 0:
            return None if piece.attempt < after.attempt else 0
        if piece.part == after.part:
            return after.offset
        reached = self._place_of((after.attempt, after.part))
        return 0 if self._place_of((piece.attempt, piece.part)) > reached else None

    def _delta_event(self, pieces: Sequence[Piece], seen: int) -> Event:
        """Neighbouring pieces as one delta, without what the reader has of the first."""
        first = pieces[0]
        start, head = max(first.offset, seen), first.text
        if start > first.offset:
            rest = head.encode()[start - first.offset :]
            # Deltas end between characters, so no cursor that was read from them stands here: it
            # was made up, and to cut it any other way would give a text that nobody wrote.
            if is_inside(rest[0]):
                raise InvalidField("after.offset", f"{start} stands inside a character")
            head = rest.decode()
        text = head + "".join(piece.text for piece in pieces[1:])
        body = {"attempt": first.attempt, "part": first.part, "offset": start, "text": text}
        if start == 0:
            heading = self._headings[first.attempt, first.part]
            body |= {"kind": heading.kind.value, "name": heading.name, "call_id": heading.call_id}
        return Event(sequence=0, kind=EventKind.LLM_CALL_DELTA, time_us=0, body=body)

    def _tell_of_more(self) -> None:
        """Something was said. Who waits for the query to rest need not look at it."""
        for reader in self._readers:
            if reader.takes:
                reader.ring()

    def _wake(self) -> None:
        for reader in self._readers:
            reader.ring()
