"""The supervision thread: sleeps until something happens to a child, a signal comes, or time is up for somebody.

Laws: it starts the processes, because the kernel takes the thread that started one for its parent, and outlives them; a process
that dies unasked is a failure within a second, with what it was working on; who does not end in time is killed, and named; a
deadlock is searched only when a context rings (RULES 22), so an idle run costs nothing (L11). It takes part in no firing.
"""

from __future__ import annotations

import os
import select
import signal
import threading
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING

from . import machine
from .clock import real_now_ns
from .control import ABORT, ENDLESS_NS, GO, STOP
from .diagnosis import Look, blocked, busy_emitters, hand_of
from .errors import ContextDied, GraphError, InternalError
from .pipe import pipe
from .places import Place
from .sight import Sight
from .signals import Signals
from .worker import GRACE_S

if TYPE_CHECKING:
    from .supervisor import Supervisor

GRACE_NS = GRACE_S * 1_000_000_000
#: Less than this is not worth another look.
LEAST_GIVEN_NS = 100_000_000
#: How soon a node that waits for room is looked at; later if the graph moves, twice as late after each look if it does not.
LOOK_NS, LOOK_MOVING_NS, LOOK_MOST_NS = 20_000_000, 200_000_000, 2_000_000_000


class Watcher:
    """States: made; watching (`start` to `end`). It speaks to its supervisor by `hear`, `fail`, `stop` and `abort` only."""

    def __init__(self, run: Supervisor, signals: Signals):
        self._run, self._signals = run, signals
        self._thread = threading.Thread(target=self._watch, name=f"dfcore {run.plan.name} supervisor", daemon=True)
        self._handlers: dict[int, Callable[[], None]] = {}
        self._ending = False
        self._alive = -1
        self._ended_ns: dict[int, int] = {}  # STOP or ABORT -> when it was first seen
        self._busy: dict[int, int] = {}  # emitters that were firing when they had to stop
        self._judged = False  # whether those have been looked at again
        self._given_ns: dict[int, int] = {}  # context -> for how long it had no core, on top of its grace
        self._look_ns: int | None = None
        self._delay_ns = LOOK_NS
        self._seen: object = None

    def start(self) -> None:
        """Start the processes, and watch."""
        self._thread.start()

    def end(self) -> None:
        """Watch no longer."""
        self._ending = True
        self._run.changed()
        self._thread.join()

    def _watch(self) -> None:
        try:
            with select.epoll() as self._epoll:
                self._add(self._run.eventfds[-1], self._on_bell)
                if self._signals.fd >= 0:
                    self._add(self._signals.fd, self._on_signal)
                self._start_processes()
                while not self._ending:
                    self._turn()
        except BaseException as error:  # noqa: BLE001 - whoever waits for the run must hear of it
            self._lose(error)
        finally:
            self._handlers.clear()
            if self._alive >= 0:
                os.close(self._alive)

    def _add(self, fd: int, handler: Callable[[], None]) -> None:
        self._epoll.register(fd, select.EPOLLIN)
        self._handlers[fd] = handler

    def _drop(self, fd: int) -> None:
        if self._handlers.pop(fd, None) is not None:
            self._epoll.unregister(fd)

    def _turn(self) -> None:
        self._note_state()
        due = list(self._deadlines())
        next_ns = min((at_ns for at_ns, _ in due), default=None)
        for fd, _ in self._epoll.poll(None if next_ns is None else max(next_ns - real_now_ns(), 0) / 1e9):
            if fd in self._handlers:
                self._handlers[fd]()
        for at_ns, action in due:
            if at_ns <= real_now_ns():
                action()

    def _on_bell(self) -> None:
        os.eventfd_read(self._run.eventfds[-1])
        if self._look_ns is None and self._run.line.state in (GO, STOP) and not self._run.line.watch:
            self._look_ns = real_now_ns() + LOOK_NS

    def _on_signal(self) -> None:
        for number in self._signals.read():
            again = self._run.interrupted is not None
            self._run.interrupted = self._run.interrupted or number
            if again:
                self._run.abort()
            else:
                self._run.stop()

    # -- processes ------------------------------------------------------------------------------------------------------------

    def _start_processes(self) -> None:
        waiting = [place for place in self._run.places if place.kind == "process" and not place.done]
        if not waiting:
            return
        alive, self._alive = pipe()
        try:
            while waiting:
                waiting[0].start(pipe(), alive)
                self._add_process(waiting.pop(0))
        except OSError as error:
            self._not_started(waiting, error)
        finally:
            os.close(alive)
            self._run.memory.close_files()

    def _add_process(self, place: Place) -> None:
        assert place.inbox is not None
        self._add(place.inbox.fd, partial(self._read, place))
        self._add(place.pidfd, partial(self._on_exit, place))

    def _not_started(self, places: list[Place], error: OSError) -> None:
        name = places[0].name
        died = ContextDied(f"context {name!r}: needed a process of its own, the system refused: {error.strerror}.", context=name)
        died.__cause__ = error
        self._run.fail(real_now_ns(), died)
        for place in places:
            self._run.hear(place.context.index, ("done", {}, {}))

    def _read(self, place: Place) -> None:
        assert place.inbox is not None
        try:
            for message in place.inbox.read():
                self._run.hear(place.context.index, place.unpacked(message))
        except Exception as error:  # noqa: BLE001 - what a user's object does when it is unpickled
            self._run.fail(real_now_ns(), error)
            self._run.hear(place.context.index, ("done", {}, {}))
        if place.inbox.ended:
            self._drop(place.inbox.fd)

    def _on_exit(self, place: Place) -> None:
        assert place.inbox is not None
        if not place.inbox.ended:
            self._read(place)
        self._drop(place.inbox.fd)
        self._drop(place.pidfd)
        status = place.reap()
        if not place.done:
            self._run.fail(real_now_ns(), self._death(place, status))
            self._run.hear(place.context.index, ("done", {}, {}))
        elif place.killed:
            self._run.warnings.append(f"context {place.name!r}: {place.killed}; it was killed.")
        self._run.ring_all()
        self._run.changed()

    def _death(self, place: Place, status: int) -> ContextDied:
        hand = hand_of(self._run.plan, self._run.memory, place.context.index)
        node, firing, seq = hand if hand is not None else (None, None, None)
        if status < 0:
            how = f"killed by {signal.Signals(-status).name}"
        else:
            how = f"over with exit status {status}"
        if place.killed:
            how = f"{place.killed}; it was killed"
        elif status == -signal.SIGKILL:
            how += " (by somebody, or by the kernel for lack of memory)"
        doing = "" if node is None else f", in firing {firing} of {node}" + ("" if seq is None else f" at record {seq}")
        return ContextDied(
            f"context {place.name!r} (process {place.pid}): needed to run until it was told to end, was {how}{doing}.",
            context=place.name,
            signal=-status if status < 0 else None,
            status=status if status >= 0 else None,
            node=node,
            seq=seq,
        )

    def _lose(self, error: BaseException) -> None:
        """The watcher itself failed: nobody would see the processes end."""
        failure = InternalError(f"supervisor: {type(error).__name__}: {error}; please report this")
        failure.__cause__ = error
        self._run.fail(real_now_ns(), failure)
        for place in self._run.places:
            if place.kind == "process" and not place.over:
                place.close()
                self._run.hear(place.context.index, ("done", {}, {}))

    # -- time is up -----------------------------------------------------------------------------------------------------------

    def _note_state(self) -> None:
        """Remember when the run had to stop, and who was firing then."""
        line, now_ns = self._run.line, real_now_ns()
        stopping = line.state == STOP or line.state == GO and line.until_ns <= now_ns and not line.paused
        if stopping and STOP not in self._ended_ns:
            self._ended_ns[STOP] = now_ns
            self._busy = busy_emitters(self._run.plan, self._run.memory)
        if line.state == ABORT and ABORT not in self._ended_ns:
            self._ended_ns[ABORT] = now_ns
            for place in self._run.places:
                if place.process is not None and not place.done:
                    place.starved_ns = machine.starved_ns(place.pid)

    def _deadlines(self) -> Iterator[tuple[int, Callable[[], None]]]:
        line = self._run.line
        if line.state == GO and line.until_ns != ENDLESS_NS and STOP not in self._ended_ns and not line.paused:
            yield line.until_ns, self._run.ring_all
        if STOP in self._ended_ns and not self._judged:
            yield self._ended_ns[STOP] + GRACE_NS, self._kill_busy
        if self._look_ns is not None:
            yield self._look_ns, self._look
        for place in self._run.places:
            if place.pidfd >= 0 and not place.killed:
                if place.done:
                    yield self._expiry(place, place.done_ns, f"needed to leave within {GRACE_S} s of its close")
                elif ABORT in self._ended_ns:
                    why = f"needed to close within {GRACE_S} s when the run was given up"
                    yield self._expiry(place, self._ended_ns[ABORT], why)

    def _expiry(self, place: Place, since_ns: int, why: str) -> tuple[int, Callable[[], None]]:
        """When the time of a process is up that should have ended at `since_ns`, and what happens then."""
        return since_ns + GRACE_NS + self._given_ns.get(place.context.index, 0), partial(self._expire, place, why)

    def _expire(self, place: Place, why: str) -> None:
        """Kill a process whose time is up; but what it spent waiting for a core is given back to it."""
        starved_ns, given_ns = machine.starved_ns(place.pid) - place.starved_ns, self._given_ns.get(place.context.index, 0)
        if starved_ns > given_ns + LEAST_GIVEN_NS:
            self._given_ns[place.context.index] = starved_ns
        else:
            self._kill(place, why)

    def _kill_busy(self) -> None:
        """Emitters that block in one firing since they had to stop hold up everybody's end, and so do stopped processes."""
        self._judged = True
        for place in self._run.places:
            if place.pidfd >= 0 and machine.is_stopped(place.pid):
                self._kill(place, f"still stopped by a signal {GRACE_S} s after it had to end")
        plan, still = self._run.plan, busy_emitters(self._run.plan, self._run.memory)
        for index, firing in self._busy.items():
            if still.get(index) != firing:
                continue
            node = plan.nodes[index]
            place = self._run.places[node.context]
            if place.pidfd >= 0:
                self._kill(place, f"still in {node.name}.compute {GRACE_S} s after it had to stop")
            else:
                self._run.warnings.append(
                    f"{node.name}.compute: needed to return within {GRACE_S} s of stop, was still blocked; only a process can be "
                    f"killed: give the read a timeout, or put the node into a process context"
                )

    def _kill(self, place: Place, why: str) -> None:
        if place.pidfd >= 0 and not place.killed:
            place.killed = why
            signal.pidfd_send_signal(place.pidfd, signal.SIGKILL)

    # -- deadlock -------------------------------------------------------------------------------------------------------------

    def _look(self) -> None:
        """Search for a deadlock, and come back while there may be one: the last ring may have come before the last wait."""
        run, began_ns = self._run, real_now_ns()
        self._look_ns = None
        if run.line.state not in (GO, STOP):
            return
        run.line.watch = True
        if run.line.paused:
            return  # everybody is at rest; whoever waits for room afterwards rings
        stopping = STOP in self._ended_ns
        problem = blocked(run.plan, run.memory, stopping)
        if problem is not None:
            run.fail(real_now_ns(), GraphError(problem))
            return
        seen = Look(Sight(run.plan, run.memory), stopping)
        if seen.blocked or seen.deserted:
            moved = seen.state != self._seen
            self._delay_ns = LOOK_MOVING_NS if moved else min(2 * self._delay_ns, LOOK_MOST_NS)
            now_ns = real_now_ns()
            self._look_ns = now_ns + max(self._delay_ns, 20 * (now_ns - began_ns))
        self._seen = seen.state
