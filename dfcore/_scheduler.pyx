# cython: language_level=3, embedsignature=True, auto_pickle=False, autotestdict=False
# cython: boundscheck=False, wraparound=False, cdivision=True
"""The firing table: which node fires next, and everything that follows from a firing.

Laws kept here:
L3   a node fires iff every triggering input holds an unread record and every lossless output has room; never re-entered.
L6   nothing but counts decides who fires; ties go to the lowest (rank, index), never to an address or a hash.
L7   in virtual time one instant is: timers due, then one firing at a time, lowest first, free-running emitters last.
L9   a firing allocates nothing, formats nothing and looks up no name, unless user code or an error asks for it.
     End of stream travels down behind the last record, closing travels up when all readers are gone (RULES 10, 21).
The scheduler never waits and never reads a clock: `step(now_ns)` returns when it wants to be asked again. In real time there is one
per context, and a step is one sweep in rank order, each node at most once; in virtual time there is one for the whole graph, and a
context only says what a firing holds up. `choose`, `begin` and `finish` are apart because user code may switch threads (RULES 4.3b).
"""

cimport cython
import inspect

from cpython.ref cimport Py_DECREF, PyObject
from libc.stdint cimport int64_t, uint32_t, uint64_t

from ._record import Record, fields_told
from .errors import DfcoreError, NodeFailed, RecordLost, Stopped, told
from .sentinels import SKIP, STOP

from dfcore._bell cimport df_hear, df_ticks
from dfcore._cell cimport (
    ASYNC_GENERATOR,
    COROUTINE,
    FED,
    FILE,
    FREE,
    GENERATOR,
    GRID,
    INPUTS,
    PLAIN,
    RELAY,
    SINK,
    STOPPED,
    WITHHELD,
    Cell,
)
from dfcore._ends cimport NEVER, NO_ORIGIN, Input, Output, df_histogram_add
from dfcore._onerror cimport EMIT_ERROR, TRY_AGAIN
from dfcore._joins cimport OVER, READY
from dfcore._parameters cimport ParameterInput
from dfcore._plain cimport plain_ready
from dfcore._ring cimport (
    DF_CLOSING,
    DF_OPEN,
    DF_TOMBSTONE,
    DF_WAIT,
    df_all_gone,
    df_end_word,
    df_ended,
    df_full_end,
    df_has_room,
    df_tail_word,
    df_want,
)
from dfcore._table cimport df_grid, df_grid_after, df_heap_push, df_ticks_to_ns

from ._onerror import forget_frames


cdef extern from "Python.h":
    PyObject *PyIter_Next(object iterator) except? NULL


cdef extern from *:
    int ctz "__builtin_ctzll" (unsigned long long) nogil

#: A firing that nothing paced and that took no virtual time costs FREE_COST_NS (RULES 4.1); see `pay` for OWED_NS.
cdef enum:
    FREE_COST_NS = 1000
    OWED_NS = 50000
    LOOK_EVERY = 64  # sweeps between two looks for readers that left, of a context that never sleeps
    MOST_IN_AN_INSTANT = 1000000

#: How long, on the run clock, a firing that fails is tried again while the run stops.
cdef int64_t GRACE_NS = 5000000000
cdef int64_t VIRTUAL_GRACE_NS = 1000000000

#: What `deliver` found beside what a cell finds: the result did not fit, and `on_error` has seen to it.
cdef enum:
    EXCUSED = 4

cdef object NOTHING_MORE = object()

cdef PyObject *SKIP_RESULT = <PyObject *>SKIP  # C globals: compared at every firing
cdef PyObject *STOP_RESULT = <PyObject *>STOP

#: States of a node in its counters, as in `counters.py`.
cdef enum:
    ENDED = 3
    FAILED = 5

#: What `in_flight` counts as, beside 0 and 1: see `counters.py`.
cdef enum:
    TO_BE_TRIED_AGAIN = 2


class Unstarted(DfcoreError):
    """A coroutine node fired where no event loop runs."""


#: What the engine did when code of the user's objects raised, as it has noted; and what to do about it.
cdef dict MEANWHILE = {
    "while an object was pickled for another process": "publish what can be pickled, or run its readers in the process of the writer",
    "while an object from another process was loaded": "publish what can be loaded, or run both nodes in one process",
}


cdef tuple _meanwhile(error):
    """The engine's own note in `error`, if it made one, and its advice."""
    if isinstance(error, AttributeError) and isinstance(error.obj, Record):
        return "", f"; {fields_told(error.obj, error.name)}"
    for note in getattr(error, "__notes__", ()):
        if isinstance(note, str) and note in MEANWHILE:
            return f"{note} ", f"; {MEANWHILE[note]}"
    return "", ""


@cython.final
cdef class Scheduler(Table):
    """Fires the nodes of one context (real time), or of the whole graph (virtual time).

    Attributes:
        launch(position, awaitable), cancel(position), side(position, awaitable): set by a driver with an event loop.
    """

    def stop(self, int64_t end_ns=-1):
        """Emitters stop, records drain.

        `end_ns`: the duration of the run that is over; an emitter with a rate still has its grid points before it, however late.
        """
        cdef Cell cell
        if self.stopping:
            return
        self.stopping, self.end_ns = True, end_ns
        self.patience_ns = self.time() + (VIRTUAL_GRACE_NS if self.virtual else GRACE_NS)
        for cell in self.cells:
            self.mark(cell.position)
            if cell.on_error is not None and cell.on_error.waiting and cell.on_error.due_ns > self.patience_ns:
                self._wait_for_attempt(cell, self.patience_ns)
            if cell.feed is not None:
                cell.feed.finish("the run is stopping")
            if cell.emitter and cell.on_error is not None and cell.on_error.waiting:
                self.cancelled(cell.position)
            elif (cell.emitter and cell.busy and not (cell.costing or cell.flushing or cell.withheld) and self.cancel is not None
                    and cell.style in (COROUTINE, ASYNC_GENERATOR)):
                self.cancel(cell.position)

    # -- one step -------------------------------------------------------------------------------------------------------------

    cpdef int64_t step(self, int64_t now_ns) except? -2:
        """Fire what is ready at `now_ns`: one sweep in real time, the whole instant in virtual time.

        Returns: `now_ns` if something is ready still, else the time of the next timer, else -1. Raises NodeFailed.
        """
        cdef int position
        if not self.virtual:
            return self.sweep(now_ns)
        try:
            while not df_hear(self.paused):
                position = self.pick(now_ns)
                if position < 0:
                    return self.next_ns()
                self.fire(<Cell>self.table[position])
            return now_ns
        except BaseException as error:
            self._failed(<Cell>self.current, error)

    cdef int64_t sweep(self, int64_t now_ns) except? -2:
        cdef int word, bit
        cdef uint64_t bits, later
        cdef Cell cell = None
        self.advance(now_ns)
        self.sweeps += 1
        self.looking = self.sweeps % LOOK_EVERY == 0
        self.poll_words()
        try:
            for word in range(self.nwords):
                later = <uint64_t>-1
                while True:
                    bits = self.dirty[word] & later
                    if not bits or df_hear(self.paused):
                        break
                    bit = ctz(bits)
                    later = (<uint64_t>-1 << bit) << 1
                    self.dirty[word] &= ~(<uint64_t>1 << bit)
                    cell = <Cell>self.table[word * 64 + bit]
                    if self.ready(cell):
                        self.fire(cell)
        except BaseException as error:
            self._failed(<Cell>self.current, error)
        if self.nremote_inputs:
            if now_ns - self.paid_ns > OWED_NS:
                self.paid_ns = now_ns
                self.pay(True)
            else:
                self.pay(False)
        for word in range(self.nwords):
            if self.dirty[word]:
                return now_ns
        return self.next_ns()

    cpdef int choose(self, int64_t now_ns) except -2:
        """The position of the firing that comes next at `now_ns`, or -1: nothing is ready now. Virtual time only."""
        try:
            return -1 if df_hear(self.paused) else self.pick(now_ns)
        except BaseException as error:
            self._failed(<Cell>self.current, error)

    cdef int pick(self, int64_t now_ns) except -2:
        cdef int word, bit, position, spare = -1
        cdef uint64_t bits, passed = 0
        cdef Cell cell = None
        self.advance(now_ns)
        if self.world is not None:
            for cell in self.file_cells:
                self.mark(cell.position)
        self._count_instant(now_ns)
        word = self.low
        while word < self.nwords:
            bits = self.dirty[word] & ~passed
            if not bits:
                if word == self.low and not self.dirty[word]:
                    self.low = word + 1  # `mark` lowers it again
                word += 1
                passed = 0
                continue
            bit = ctz(bits)
            position = word * 64 + bit
            cell = <Cell>self.table[position]
            if cell.costing and cell.costs_until_ns <= now_ns:
                self.dirty[word] &= ~(<uint64_t>1 << bit)
                self._end_cost(cell)
                word, passed = self.low, 0  # its context is free again
                continue
            elif self.occupied[cell.context] and (not cell.busy or (cell.on_error is not None and cell.on_error.waiting)):
                passed |= <uint64_t>1 << bit
                continue
            elif cell.pace == FREE and not (self.stopping or (cell.abandoned and not self._writes_on(cell)) or cell.flushing or cell.ended or cell.busy):
                passed |= <uint64_t>1 << bit
                if spare < 0:
                    spare = position
                continue
            else:
                self.dirty[word] &= ~(<uint64_t>1 << bit)
                if self.ready(cell):
                    return position
            if self.low < word:
                word, passed = self.low, 0
        return self._choose_free(spare) if spare >= 0 else -1

    def _choose_free(self, int position):
        """Free-running emitters come last in their instant."""
        cdef Cell cell
        while position < self.count:
            cell = <Cell>self.table[position]
            if cell.pace == FREE and self.dirty[position >> 6] >> (position & 63) & 1 and not self.occupied[cell.context]:
                self.dirty[position >> 6] &= ~(<uint64_t>1 << (position & 63))
                if self.ready(cell):
                    return position
            position += 1
        return -1

    cdef int _count_instant(self, int64_t now_ns) except -1:
        if now_ns != self.instant_ns:
            self.instant_ns, self.in_instant = now_ns, 0
        self.in_instant += 1
        if self.in_instant > MOST_IN_AN_INSTANT:
            busiest = max(self.cells, key=lambda cell: (<Cell>cell).counters.firings)
            raise DfcoreError(f"{busiest.name}: needed time to move, was fired with others {MOST_IN_AN_INSTANT} times at "
                              f"t = {now_ns / 1e9:.6f} s; give an emitter of the loop a rate_hz, an await or a cost_ns")
        return 0

    cpdef int run(self, int position) except -1:
        """Begin, call and finish the firing of the cell at `position`. In virtual time; user code may block in a world."""
        cdef Cell cell = <Cell>self.table[position]
        try:
            self.fire(cell)
        except BaseException as error:
            self.occupied[cell.context] = False  # a firing that was ended holds its context no longer
            self._failed(cell, error)
        return 0

    def poll(self):
        """The look before sleep: ask for room where it is missing, then look at the words that other contexts write (RULES 1).

        Returns whether anything may be ready.
        """
        cdef int word, i
        self.pay(True)
        for i in range(self.nremote_outputs):
            if (<Cell>self.table[self.outputs_there[i].position]).counters.blocked_edge:
                df_want(&(<Output>self.outputs_there[i].end).writer)
        for cell in self.turn_cells:
            if (<Cell>cell).turns.waiting:
                (<Cell>cell).turns.ask()
        self.looking = True
        self.poll_words()
        self.looking = False
        for word in range(self.nwords):
            if self.dirty[word]:
                return True
        return False

    cdef bint blocked(self) noexcept:
        """Whether a node waits for room."""
        cdef int position
        for position in range(self.count):
            if (<Cell>self.table[position]).counters.blocked_edge:
                return True
        return False

    cdef bint deserted(self) noexcept:
        """Whether a node of a loop waits while the run stops, or after a stream from outside its loop has ended.

        Then the loop may have lost a record that would keep it going, and nobody waits for room.
        """
        cdef int position, i
        cdef bint looped, over
        cdef Cell cell
        for position in range(self.count):
            cell = <Cell>self.table[position]
            looped, over = False, self.stopping
            for i in range(0 if cell.ended or cell.busy else cell.ninputs):
                if (<Input>cell.inputs[i]).feedback:
                    looped = True
                else:
                    over = over or df_end_word(&(<Input>cell.inputs[i]).reader) != DF_OPEN
            if looped and over:
                return True
        return False

    cdef int poll_words(self) except -1:
        cdef int i
        cdef Input input
        cdef Output output
        cdef Cell cell
        for i in range(self.nremote_inputs):
            input = <Input>self.inputs_there[i].end
            cell = <Cell>self.table[self.inputs_there[i].position]
            if not cell.ended and not cell.busy and input.news():
                self.mark(cell.position)
        for i in range(self.nremote_outputs):
            output = <Output>self.outputs_there[i].end
            cell = <Cell>self.table[self.outputs_there[i].position]
            if cell.ended or (cell.busy and not cell.withheld):
                continue
            if cell.counters.blocked_edge and (cell.has_blocks() if cell.withheld else self._roomy(cell)):
                self.mark(cell.position)
            if self.looking and not output.left and df_all_gone(&output.writer):
                output.left = True
                self._reader_left(cell)
        if self.remote_parameters:
            self._poll_parameters()
        if self.turn_cells:
            self._poll_turns()
        return 0

    def _poll_turns(self):
        cdef Cell cell
        for cell in self.turn_cells:
            if not cell.ended and not cell.busy and cell.turns.news():
                self.mark(cell.position)

    def _poll_parameters(self):
        cdef Cell cell
        for parameter, position in self.remote_parameters:
            cell = <Cell>self.table[<int>position]
            if not cell.ended and not cell.busy and (<ParameterInput>parameter).news():
                self.mark(position)

    cdef int pay(self, bint all) noexcept:
        """Ring the writers that wait for room we made.

        Ringing at each record would wake a writer for one slot at a time. So a stroke may be owed until half the edge is free,
        but never longer than a sweep that ends later than OWED_NS, and never into our own sleep: a writer waits for a reader
        that runs, or not at all.
        """
        cdef int i
        cdef Input input
        for i in range(self.nremote_inputs):
            input = <Input>self.inputs_there[i].end
            if input.owed and (all or 2 * (input.reader.seen - input.reader.tail) <= input.depth):
                input.pay()
        return 0

    # -- who is ready ---------------------------------------------------------------------------------------------------------

    cdef bint ready(self, Cell cell) except -1:
        """L3. A node whose last firing is behind it is ended here."""
        self.current = <PyObject *>cell
        if cell.plain and plain_ready(cell):
            return True
        if cell.withheld:
            return cell.has_blocks()
        if cell.busy or cell.ended:
            if cell.on_error is not None and cell.on_error.waiting and cell.on_error.due_ns <= self.now_ns:
                return True
            cell.asked = True  # by what came meanwhile: ask again when the firing is over
            return False
        if cell.flushing:
            return self.room(cell)
        if cell.iterator is not None and not cell.emitter:
            if cell.abandoned:
                self._cut(cell)
                return False
            return self.room(cell)
        if self.stopping and cell.ends_with_stop:
            self.end(cell)
            return False
        if (cell.abandoned and not self._writes_on(cell)) or (cell.emitter and self.stopping and not self._owes(cell)):
            self.end(cell)
            return False
        if not cell.emitter:
            if cell.aged:
                self.watch(cell)
                if cell.unsafe:
                    return True
            if cell.turns is not None:
                return self.turn_ready(cell)
            return self.inputs_ready(cell) and self.room(cell) and not (cell.gaps and self.discard_set(cell))
        if (cell.pace == GRID or cell.pace == FREE) and cell.due_ns > self.now_ns:
            return False
        if cell.pace == FILE and not (cell.readable or self._file_ready(cell)):
            return False
        if cell.pace == FED:
            if not cell.feed.there():
                return False
            self.in_instant = 0  # what comes from outside is no loop of the graph
        return self.room(cell)

    cdef bint turn_ready(self, Cell cell) except -1:
        """One of several replicas: it may take the set whose turn it is."""
        cdef int i
        cdef uint64_t set
        while True:
            set = cell.turns.aim()
            if cell.turns.over():
                self.end(cell)
                return False
            for i in range(cell.ninputs):
                (<Input>cell.inputs[i]).aim(set)
            if not self.inputs_ready(cell) or not self.room(cell):
                return False
            if cell.turns.begin():
                break
            if cell.turns.ordered:
                return False
        cell.firing = set
        return not (cell.gaps and self.discard_set(cell))

    cdef int close_turn(self, Cell cell, bint partial) except -1:
        """Each slot says whether its firing publishes more; an output that is left without one gets one that says just that."""
        cdef int i
        cdef Output output
        for i in range(cell.noutputs):
            output = <Output>cell.outputs[i]
            if output.header == NULL and not partial:
                output.bury(DF_CLOSING)
            output.last, output.child = not partial, cell.child
        return 0

    cdef int finish_turn(self, Cell cell) except -1:
        """The set is behind it: siblings may wait for that."""
        cdef int i, position
        if cell.ended:
            cell.turns.leave()
        elif cell.stopped:
            cell.turns.stop()
        else:
            cell.turns.finish()
        for i in range(cell.turns.count):
            position = cell.turns.siblings[i].position
            if position >= 0 and position != cell.position and (cell.stopped or (<Cell>self.table[position]).turns.waiting):
                self.mark(position)
        return 0

    cdef bint _owes(self, Cell cell) except -1:
        """Whether an emitter has something left that belongs before the end of the run: it is fired, not lost.

        A grid point at which it was held back or late; what the program has put.
        """
        return cell.due_ns < self.end_ns if cell.pace == GRID else cell.pace == FED and len(cell.feed) > 0

    cdef bint _writes_on(self, Cell cell) noexcept:
        """Whether an emitter that nobody reads any more goes on all the same.

        One that plays an iterable does, until it would have to wait: how much it wrote then depends on the iterable and the depth,
        not on when it heard that its readers had left.
        """
        cdef int i
        cdef uint32_t k
        cdef Output output
        cdef bint waits = False
        if cell.pace != FREE or cell.style != GENERATOR:
            return False
        for i in range(cell.noutputs):
            output = <Output>cell.outputs[i]
            for k in range(output.writer.nends):
                if output.ends[k].policy == DF_WAIT:
                    waits = True
                    if output.writer.head - df_tail_word(output.ends[k].words) >= output.ends[k].depth:
                        return False
        return waits

    def _file_ready(self, Cell cell):
        return cell.file_ready is not None and any([ready() for ready in cell.file_ready])

    cdef bint inputs_ready(self, Cell cell) except -1:
        """Every triggering input holds a record. An input that will never hold one again ends the node."""
        cdef int i, waiting = -1
        if cell.join is not None:
            return self._joined(cell)
        if cell.gathers:
            self._gather(cell)
        for i in range(cell.ninputs):
            if not (<Input>cell.inputs[i]).ready():
                if (<Input>cell.inputs[i]).ended():
                    self.end(cell)
                    return False
                waiting = i
        if waiting < 0:
            if cell.counters.firings == 0 and cell.nvalues:
                return self._required_there(cell)
            return True
        cell.counters.waiting_edge = (<Input>cell.inputs[waiting]).index + 1
        return False

    cdef bint _joined(self, Cell cell) except -1:
        """The records that its rule asks for are there."""
        cdef uint64_t before = cell.freed()
        cdef int found = cell.join.look(self.now_ns, self.stopping)
        if cell.freed() != before:
            self._wake_writers(cell)  # what it passed over on its way is room
        if found == READY:
            return cell.counters.firings != 0 or not cell.nvalues or self._required_there(cell)
        if found == OVER:
            self.end(cell)
        else:
            cell.counters.waiting_edge = cell.join.missing.index + 1
        return False

    cdef void _gather(self, Cell cell) noexcept:
        """Let its inputs take in, or pass over, what came for a firing that is not complete: that gives room before any firing."""
        cdef int i
        cdef uint64_t before = cell.freed()
        for i in range(cell.ninputs):
            (<Input>cell.inputs[i]).ready()
        if cell.freed() != before:  # else who writes to itself would wake itself for ever
            self._wake_writers(cell)

    def _required_there(self, Cell cell):
        """Every parameter without a default has its first value."""
        cdef ParameterInput parameter
        declared = self.plan.nodes[cell.index].parameters
        for parameter in cell.parameters:
            if parameter.settings or parameter.changed() or parameter.counters.read:
                continue
            if any([p.required for p in declared if p.edge == parameter.index]):
                cell.counters.waiting_edge = parameter.index + 1
                if df_ended(&parameter.reader):
                    self.end(cell)
                return False
        return True

    cdef bint room(self, Cell cell) except -1:
        """Every lossless output has room."""
        cdef int i
        if cell.share is not None:
            return self._shares(cell)
        for i in range(cell.noutputs):
            if not df_has_room(&(<Output>cell.outputs[i]).writer) and not self.no_room(cell, <Output>cell.outputs[i]):
                return False
        if cell.counters.blocked_edge:
            cell.counters.blocked_edge = 0
            cell.waited_room = True
        return True

    cdef bint discard_set(self, Cell cell) except -1:
        """A tombstone at any input discards the complete set, and leaves tombstones at the outputs (RULES 10). Returns whether."""
        cdef int i
        cdef Input end
        cdef bint found = False
        for i in range(cell.ninputs):
            found = found or (<Input>cell.inputs[i]).buried()
        if not found:
            return False
        for i in range(cell.ninputs):
            end = <Input>cell.inputs[i]
            if end.buried():
                end.pass_buried()
                continue
            if end.held == NULL:
                end.take(self.now_ns)
            end.release(False)
        self._wake_writers(cell)
        for i in range(cell.nresults):
            if (<Output>cell.outputs[i]).gaps and (cell.share is None or i == cell.dealt):
                (<Output>cell.outputs[i]).bury(DF_TOMBSTONE)
        if cell.share is not None:
            cell.share.last = cell.dealt
        cell.origin_ns, cell.child = self.now_ns, 0
        if cell.turns is not None and cell.turns.ordered:
            self.close_turn(cell, False)
        self.publish(cell, self.now_ns)
        cell.firing += 1
        if cell.turns is not None:
            self.finish_turn(cell)
        self.mark(cell.position)
        return True

    cdef bint _roomy(self, Cell cell) noexcept:
        """There is room at every output of a cell that waited for it: it need not be asked for one that was never full."""
        cdef int i
        if cell.share is not None:
            return self._shares(cell)
        for i in range(cell.noutputs):
            if not df_has_room(&(<Output>cell.outputs[i]).writer):
                return False
        cell.counters.blocked_edge = 0
        cell.waited_room = True
        return True

    cdef bint _shares(self, Cell cell) noexcept:
        """One of its readers has room."""
        cell.dealt = cell.share.next()
        if cell.dealt < 0:
            cell.counters.blocked_edge = cell.share.full().edge + 1
            return False
        if cell.counters.blocked_edge:
            cell.counters.blocked_edge = 0
            cell.waited_room = True
        return True

    cdef bint no_room(self, Cell cell, Output output) except -1:
        """Note what `cell` waits for. Returns whether there is room after all."""
        cdef int full = df_full_end(&output.writer)
        if full < 0:
            return True
        edge = self.plan.edges[self.plan.outputs[output.index].edges[full]]
        if edge.on_full == "error":
            raise RecordLost(f"{edge.name}: needed room for one more record, was full with {edge.depth} that "
                             f"{self.plan.nodes[edge.node].name} has not read; give it a larger depth, or on_full=\"wait\"")
        cell.counters.blocked_edge = edge.index + 1
        if cell.pace == GRID and not cell.held_back:
            self._warn_held_back(cell, edge)
        return False

    def _warn_held_back(self, Cell cell, edge):
        cell.held_back = True
        self.warnings.append(f"{cell.name}: needed room at its grid point, was held back by the full edge {edge.name}; give it more "
                             "depth, a policy that drops, or a faster reader")

    # -- age ------------------------------------------------------------------------------------------------------------------

    cdef int watch(self, Cell cell) except -1:
        """`max_age_s`, watched even while nothing arrives: acts once, and arms the timer for the next look."""
        cdef int i
        cdef Input end
        cdef int64_t due, next = -1
        for i in range(cell.ninputs):
            end = <Input>cell.inputs[i]
            if end.max_age_ns < 0 or end.last_origin_ns == NO_ORIGIN or end.stale:
                continue
            due = self._due(end)
            if due == NEVER:
                continue
            if due <= self.now_ns:
                self._stale(cell, end)
            elif next < 0 or due < next:
                next = due
        if next >= 0 and (cell.watch_ns <= self.now_ns or next < cell.watch_ns):
            cell.watch_ns = max(next, self.now_ns + 1)
            df_heap_push(&self.timers, cell.watch_ns, cell.position)
        return 0

    cdef int64_t _due(self, Input end) except? -2:
        """When the newest record of `end` is too old; what has grown old unread is passed over. NEVER: nobody can say."""
        cdef int64_t due = end.last_origin_ns + end.max_age_ns + 1
        while due <= self.now_ns and (end.held != NULL or (end.ready() and not end.buried())):
            if end.held != NULL and end.peek_origin() == NO_ORIGIN:
                return NEVER
            if end.held != NULL and end.peek_origin() + end.max_age_ns >= self.now_ns:
                return end.peek_origin() + end.max_age_ns + 1
            end.release(False)
            if not end.ready() or end.buried():
                break
            end.take(self.now_ns)
            due = end.last_origin_ns + end.max_age_ns + 1
        return due

    def _stale(self, Cell cell, Input end):
        end.stale = True
        if end.on_stale == 0:
            cell.unsafe = True  # and called by a firing's thread: it may block
        elif end.on_stale == 2:
            cell.failing_input = end.name
            raise TimeoutError(f"{cell.name}.{end.name}: needed a record younger than {end.max_age_ns / 1e9} s, was none")

    cdef bint fresh(self, Cell cell) except -1:
        """Take the records whose age matters. False: one was too old; it is given back and nothing fires."""
        cdef int i
        cdef Input end
        cdef int64_t now_ns = self.time(), origin
        for i in range(cell.ninputs):
            end = <Input>cell.inputs[i]
            if end.max_age_ns < 0:
                continue
            if end.held != NULL and end.superseded():
                end.release(False)  # a newer one came while it waited for the other inputs
            if end.held == NULL:
                end.take(now_ns)
            origin = end.peek_origin()
            if origin != NO_ORIGIN and now_ns - origin > end.max_age_ns:
                end.release(False)
                if not end.stale:
                    self._stale(cell, end)
                if cell.unsafe:
                    self.call_safe(cell)
                self.mark(cell.position)
                return False
            end.stale = False
        return True

    cdef int call_safe(self, Cell cell) except -1:
        safe = getattr(cell.node, "safe", None)
        cell.unsafe = False
        if safe is None:
            return 0
        cell.method = "safe"
        cell.busy, self.occupied[cell.context] = True, self.virtual  # it may park in a world: its context waits for it
        try:
            answer = safe()
        finally:
            cell.busy, self.occupied[cell.context] = False, False
        if inspect.isawaitable(answer):
            self.side(cell.position, answer)
        cell.method = "flush" if cell.flushing else "compute"
        return 0

    # -- a firing -------------------------------------------------------------------------------------------------------------

    cdef int fire(self, Cell cell) except -1:
        """One firing, or one resumption of a generator. A coroutine's goes on by itself and comes back to `resolve`."""
        self.current = <PyObject *>cell
        if cell.plain:
            return self.fire_plain(cell)
        if cell.withheld:
            return self.release_withheld(cell)
        if cell.unsafe:
            self.call_safe(cell)
            self.mark(cell.position)
            return 0
        if cell.on_error is not None:
            return self.attempt(cell)
        if cell.iterator is None and not cell.flushing and cell.aged and not self.fresh(cell):
            return 0
        self.begin(cell)
        if cell.style == PLAIN or cell.style == SINK:
            return self.settle(cell, cell.call())
        if cell.style == RELAY:
            return self.charge(cell) if cell.relay() else self.withhold(cell)
        if cell.style == GENERATOR:
            return self.resume(cell)
        return self.launch_firing(cell)

    cdef int fire_plain(self, Cell cell) except -1:
        """`fire` for a plain firing (`_plain.pxd`)."""
        cell.busy = True
        cell.counters.in_flight = 1
        self.occupied[cell.context] = self.virtual
        cell.forget_before(self.now_ns)
        cell.take_inputs(self.now_ns)
        cell.ready_ns = self.now_ns
        self._count_wait(cell)
        result = cell.call_compute()
        if <PyObject *>result != STOP_RESULT and <PyObject *>result != SKIP_RESULT:
            if cell.noutputs == 0 or (cell.noutputs == 1 and not cell.carried and cell.meta is None
                                      and (<Output>cell.outputs[0]).put_plain(<PyObject *>result)):
                return self.complete(cell)
        return self.settle(cell, result)

    cdef int launch_firing(self, Cell cell) except -1:
        self.occupied[cell.context] = False  # an await holds the node, not its context
        if self.launch is None:
            raise Unstarted(f"{cell.name}: needed an event loop for `async def`, found none")
        if cell.style == COROUTINE:
            self.launch(cell.position, cell.call())
            return 0
        if cell.iterator is None:
            cell.iterator = cell.call()
        self.launch(cell.position, cell.iterator.__anext__())
        return 0

    cdef int begin(self, Cell cell) except -1:
        cdef bint resumed = cell.iterator is not None and not cell.emitter
        cell.busy = True
        cell.counters.in_flight = 1
        self.occupied[cell.context] = self.virtual
        if resumed or cell.flushing:
            return 0
        cell.take(self.now_ns)
        cell.charged = False
        cell.ready_ns = self._ready_since(cell) if cell.deadline_ns >= 0 else self.now_ns
        self._count_wait(cell)
        if cell.pace == GRID:
            self.pace_grid(cell)
        cell.readable = False
        return 0

    cdef int64_t _ready_since(self, Cell cell) noexcept:
        """When the cell could have fired: since its last record came, or its last firing ended."""
        cdef int i
        cdef int64_t since = -1
        if cell.waited_room:
            return self.now_ns
        for i in range(cell.ninputs):
            if not (<Input>cell.inputs[i]).from_initial and (cell.style != RELAY or i == cell.chosen):
                since = max(since, (<Input>cell.inputs[i]).held.publish_ns)
        return self.now_ns if since < 0 else min(max(since, cell.idle_ns), self.now_ns)

    cdef inline void _count_wait(self, Cell cell) noexcept:
        """What the time since its last firing was spent on. The end of one firing is the start of the next: no clock is read."""
        cell.start_ticks = cell.counters.began_ticks = self.ticks
        if cell.waited_room:
            cell.counters.wait_room_ticks += self.ticks - cell.last_ticks
            cell.waited_room = False
        elif not cell.emitter:
            cell.counters.wait_input_ticks += self.ticks - cell.last_ticks

    cdef int _count_last_wait(self, Cell cell) except -1:
        """What the time since its last firing was spent on, of a node that fires no more."""
        cdef uint64_t waited = (df_ticks() if self.ticking else <uint64_t>self.time()) - cell.last_ticks
        if cell.waited_room or cell.counters.blocked_edge:
            cell.counters.wait_room_ticks += waited
        elif not cell.emitter:
            cell.counters.wait_input_ticks += waited
        return 0

    cdef int pace_grid(self, Cell cell) except -1:
        """Count lateness and find the next grid point: absolute, so nothing drifts."""
        cdef uint64_t next = cell.grid + 1, after
        cdef int64_t due = df_grid(cell.grid, cell.numerator, cell.denominator)
        df_histogram_add(&cell.counters.lateness, self.now_ns - due)
        cell.ready_ns = due
        if cell.catch_up:
            if df_grid(next, cell.numerator, cell.denominator) <= self.now_ns:
                cell.counters.overruns += 1
        else:
            after = df_grid_after(self.now_ns, cell.numerator, cell.denominator)
            if self.stopping and self.end_ns > 0:
                after = min(after, max(next, df_grid_after(self.end_ns - 1, cell.numerator, cell.denominator)))
            cell.counters.overruns += after - next
            next = after
        cell.grid = next
        cell.due_ns = df_grid(next, cell.numerator, cell.denominator)
        return 0

    cdef int resume(self, Cell cell) except -1:
        """Run a generator up to its next yield."""
        cdef PyObject *value
        if cell.iterator is None:
            cell.iterator = cell.call()
        value = PyIter_Next(cell.iterator)
        if value == NULL:
            return self.exhaust(cell)
        result = <object>value
        Py_DECREF(result)
        return self.settle(cell, result)

    cdef int exhaust(self, Cell cell) except -1:
        """A generator has nothing more to yield."""
        cell.iterator = None
        cell.stopped = cell.emitter or cell.stopped
        return self.complete(cell, True)

    cdef int settle(self, Cell cell, object result) except -1:
        """Put a result into slots; publish it now, or when its declared cost has passed."""
        cdef int found
        if result is None and cell.flushing and not cell.wrote():
            cell.drop_outputs()  # a flush that returns or yields nothing, and wrote nothing, has nothing to emit
        else:
            found = cell.deliver(result) if cell.on_error is None else self.deliver(cell, result)
            if found & EXCUSED:
                return 0
            if found & WITHHELD:
                return self.withhold(cell)
            if found & STOPPED:
                cell.stopped = True
            elif not found and cell.noutputs:
                cell.counters.skipped_firings += 1
        return self.charge(cell)

    cdef int charge(self, Cell cell) except -1:
        """Publish what lies in slots: now, or when the declared cost of the firing has passed."""
        cdef int64_t cost
        if self.virtual and cell.fixed_cost != 0 and not cell.charged:
            cell.charged = True  # a generator of a router is one firing, however often it yields
            cost = self.cost_of(cell)
            if cost > 0:
                cell.costing = True
                cell.costs_until_ns = self.time() + cost
                self.occupied[cell.context] = True
                return df_heap_push(&self.timers, cell.costs_until_ns, cell.position)
        return self.complete(cell)

    cdef int withhold(self, Cell cell) except -1:
        """The firing is over, but an object finds no memory: until a reader gives some back, as with room (RULES 16).

        Only an object that leaves its process does, so never in virtual time.
        """
        cdef Output output
        cdef Py_ssize_t full
        for output in cell.output_list:
            if output.sender is not None and output.sender.packed is not None:
                full = output.waiting_end() - output.ends
                cell.counters.blocked_edge = self.plan.outputs[output.index].edges[full] + 1
                cell.counters.blocked_bytes = output.sender.size
        cell.withheld, cell.counters.in_flight = True, 0
        self.ticks = df_ticks()
        cell.held_ticks = self.ticks
        return 0

    cdef int release_withheld(self, Cell cell) except -1:
        """There is memory for what a firing has left to publish. The time of waiting is no time of the firing's."""
        cdef uint64_t waited = df_ticks() - cell.held_ticks
        cell.withheld, cell.counters.in_flight = False, 1
        cell.counters.blocked_edge = cell.counters.blocked_bytes = 0
        cell.counters.wait_room_ticks += waited
        cell.start_ticks += waited
        cell.send()
        return self.complete(cell)

    cdef int64_t cost_of(self, Cell cell) except -1:
        if cell.fixed_cost >= 0:
            return cell.fixed_cost
        if callable(cell.cost):
            return int(cell.cost(cell.random()))
        return int(cell.cost[cell.firing % len(cell.cost)])

    def _end_cost(self, Cell cell):
        cell.costing = False
        self.complete(cell)

    cdef int complete(self, Cell cell, bint exhausted=False) except -1:
        """The firing is over: publish, give the records back, and see who may fire now.

        `exhausted`: a generator had nothing more to yield, which is no firing of an emitter.
        """
        cdef int64_t now_ns
        cdef bint partial = cell.iterator is not None and not cell.emitter
        if self.ticking:
            self.ticks = df_ticks()
            now_ns = self.now_ns + df_ticks_to_ns(self.ticks - self.ticks_then, self.ns_per_tick)
        else:
            self.ticks = now_ns = self.time()
        if cell.turns is not None and cell.turns.ordered and not cell.stopped:
            self.close_turn(cell, partial)
        self.publish(cell, now_ns)
        cell.busy = False
        cell.idle_ns = now_ns
        cell.counters.in_flight = 0
        self.occupied[cell.context] = False
        if cell.flushing:
            if cell.iterator is None or cell.stopped:
                return self.finalize(cell)
            cell.child += 1
            self.mark(cell.position)
            return 0
        if partial and not cell.stopped:
            cell.child += 1
            cell.counters.suspended = 1
            self.mark(cell.position)
            return 0
        if cell.child:
            cell.counters.suspended = 0
        self._give_back(cell)
        if cell.turns is not None:
            self.finish_turn(cell)
        if not (exhausted and cell.emitter):
            self.judge(cell, now_ns)
            cell.firing += 1
            cell.counters.firings += 1
        if cell.stopped:
            cell.iterator = None
            return self.end(cell)
        return self.rearm(cell, now_ns)

    cdef inline int publish(self, Cell cell, int64_t now_ns) except -1:
        cdef int i
        for i in range(cell.noutputs):
            if (<Output>cell.outputs[i]).header != NULL:
                (<Output>cell.outputs[i]).publish(now_ns, cell.origin_ns, cell.firing)
                self.mark_readers(<Output>cell.outputs[i])
        return 0

    cdef inline int _give_back(self, Cell cell) except -1:
        """Tails move; whoever was blocked on that room becomes a candidate."""
        cdef int i
        if not cell.plain:
            cell.release(True)
            self._wake_writers(cell)
            return 0
        for i in range(cell.ninputs):
            if (<Input>cell.inputs[i]).from_initial:
                (<Input>cell.inputs[i]).release(True)
            else:
                (<Input>cell.inputs[i]).give_back()
            self._wake_writer((<Input>cell.inputs[i]).writer)
        return 0

    cdef inline void _wake_writer(self, int position) noexcept:
        if position >= 0 and (<Cell>self.table[position]).counters.blocked_edge:
            self.mark(position)

    cdef void _wake_writers(self, Cell cell) noexcept:
        """There may be room again for those who write to `cell`."""
        cdef int i
        for i in range(cell.ninputs):
            if (<Input>cell.inputs[i]).rings is not None:
                self._wake_replicas(<Input>cell.inputs[i])
            self._wake_writer((<Input>cell.inputs[i]).writer)

    cdef void _wake_replicas(self, Input end) noexcept:
        for position in end.writers():
            self._wake_writer(position)

    cdef inline int judge(self, Cell cell, int64_t now_ns) except -1:
        """Durations and deadlines. Decisions use the clock; the tick counter is for statistics."""
        cdef uint64_t ticks = self.ticks - cell.start_ticks
        cell.counters.busy_ticks += ticks
        cell.last_ticks = self.ticks
        df_histogram_add(&cell.counters.duration, df_ticks_to_ns(ticks, self.ns_per_tick))
        if cell.deadline_ns >= 0 and now_ns - cell.ready_ns > cell.deadline_ns:
            cell.counters.deadline_misses += 1
            if cell.on_deadline == 1:
                self.call_safe(cell)
            elif cell.on_deadline == 2:
                raise TimeoutError(f"{cell.name}: needed its firing {cell.firing} done {cell.deadline_ns / 1e9} s after it was ready, "
                                   f"was {(now_ns - cell.ready_ns) / 1e9:.6f} s")
        return 0

    cdef inline int rearm(self, Cell cell, int64_t now_ns) except -1:
        """See to it that the cell is asked again: by its timer, its inputs, or at once."""
        cdef int i
        if cell.asked:
            cell.asked = False
            self.mark(cell.position)
        if cell.join is not None:
            self.mark(cell.position)
        elif cell.pace == INPUTS:
            for i in range(cell.ninputs):
                if not (<Input>cell.inputs[i]).one_more() and not df_ended(&(<Input>cell.inputs[i]).reader):
                    if cell.aged:
                        self.mark(cell.position)  # to watch what it has taken grow old
                    return 0
            self.mark(cell.position)
        elif cell.pace == GRID:
            if cell.due_ns <= now_ns:
                self.mark(cell.position)
            else:
                return df_heap_push(&self.timers, cell.due_ns, cell.position)
        elif cell.pace == FREE and self.virtual and now_ns == cell.now_ns:
            cell.due_ns = now_ns + FREE_COST_NS
            return df_heap_push(&self.timers, cell.due_ns, cell.position)
        else:
            self.mark(cell.position)
        return 0

    # -- on_error -------------------------------------------------------------------------------------------------------------

    cdef int attempt(self, Cell cell) except -1:
        """`fire` for a node that goes on after some of its exceptions."""
        cdef bint exhausted = False
        if cell.on_error.waiting:
            cell.on_error.waiting = False
            cell.counters.in_flight = 1
            self.occupied[cell.context] = self.virtual
            cell.rng_used, cell.meta = False, None
            if cell.emitter:
                cell.origin_ns = cell.now_ns
        else:
            if cell.iterator is None and not cell.flushing and cell.aged and not self.fresh(cell):
                return 0
            self.begin(cell)
        if cell.style == COROUTINE or cell.style == ASYNC_GENERATOR:
            return self.launch_firing(cell)
        result = None
        try:
            if cell.style != GENERATOR:
                result = cell.call()
            else:
                if cell.iterator is None:
                    cell.iterator = cell.call()
                result = next(cell.iterator, NOTHING_MORE)
                exhausted = result is NOTHING_MORE
        except BaseException as error:
            return self.excuse(cell, error)
        return self.exhaust(cell) if exhausted else self.settle(cell, result)

    cdef int deliver(self, Cell cell, object result) except -1:
        """`Cell.deliver`; a result that does not fit is an exception of the node like any other."""
        try:
            return cell.deliver(result)
        except BaseException as error:
            self.excuse(cell, error)
            return EXCUSED

    cdef int excuse(self, Cell cell, object error) except -1:
        """User code has raised `error`: raise it, try again, or end the firing without its records."""
        cdef int i
        cdef bint again = cell.on_error.may_try_again() and not cell.child and not self._out_of_patience(cell)
        if not cell.on_error.handles(error) or not (again or cell.on_error.action != TRY_AGAIN):
            raise error
        cell.counters.errors += 1
        cell.counters.skipped_firings += not cell.child
        cell.drop_outputs()
        if cell.style == GENERATOR or cell.style == ASYNC_GENERATOR:
            cell.iterator = None
            cell.stopped = cell.emitter and not again and not cell.flushing  # it cannot be taken up again
        forget_frames(error)
        if again:
            return self.try_again(cell)
        for i in range(cell.nresults):
            if (<Output>cell.outputs[i]).gaps and not cell.flushing:
                (<Output>cell.outputs[i]).bury(DF_TOMBSTONE)
        if cell.on_error.action == EMIT_ERROR and not self.emit_error(cell, error):
            return self.withhold(cell)
        return self.complete(cell)

    cdef int try_again(self, Cell cell) except -1:
        """The same firing once more, later. Waiting holds the node, not its context."""
        self.occupied[cell.context] = False
        return self._wait_for_attempt(cell, self.time() + cell.on_error.delay_ns)

    cdef int _wait_for_attempt(self, Cell cell, int64_t due_ns) except -1:
        cell.on_error.wait_until(due_ns)
        cell.counters.in_flight = TO_BE_TRIED_AGAIN
        return df_heap_push(&self.timers, due_ns, cell.position)

    cdef bint _out_of_patience(self, Cell cell) except -1:
        """The run is stopping, and the next attempt would come too late."""
        return self.stopping and self.time() + cell.on_error.delay_ns > self.patience_ns

    cdef bint emit_error(self, Cell cell, object error) except -1:
        """Put the failure into the output of errors. False: it waits for memory of its arena."""
        failure = self._failure(cell, error)
        failure.__cause__ = error
        return (<Output>cell.outputs[cell.noutputs - 1]).put(failure, None)

    # -- coroutines -----------------------------------------------------------------------------------------------------------

    def resolve(self, int position, result):
        """The coroutine of a firing has returned `result`, or its generator has yielded it."""
        cdef Cell cell = <Cell>self.table[position]
        try:
            self.settle(cell, result)
        except BaseException as error:
            self._failed(cell, error)

    def reject(self, int position, error):
        """The coroutine of a firing has raised."""
        cdef Cell cell = <Cell>self.table[position]
        try:
            if isinstance(error, StopAsyncIteration) and cell.style == ASYNC_GENERATOR:
                self.exhaust(cell)
            elif cell.on_error is not None:
                self.excuse(cell, error)
            else:
                self._failed(cell, error)
        except NodeFailed:
            raise
        except BaseException as late:
            self._failed(cell, late)

    def cancelled(self, int position):
        """The coroutine of a firing was cancelled by `stop`: it publishes nothing, and its node ends."""
        cdef Cell cell = <Cell>self.table[position]
        cell.drop_outputs()
        cell.release(False)
        if cell.on_error is not None:
            cell.on_error.begin()
        cell.busy, cell.iterator = False, None
        cell.counters.in_flight = 0
        self.end(cell)

    cdef int _cut(self, Cell cell) except -1:
        """Nobody reads what a generator would still yield: its firing is over, and its node ends (RULES 21)."""
        cell.iterator = None
        self._give_back(cell)
        cell.firing += 1
        cell.counters.firings += 1
        return self.end(cell)

    # -- end of stream and failure --------------------------------------------------------------------------------------------

    cdef int end(self, Cell cell) except -1:
        """The last firing is behind it: let it flush, then end it."""
        flush = getattr(cell.node, "flush", None)
        if cell.flushing or cell.ended:
            return 0
        cell.stopped = cell.charged = False
        cell.iterator = None
        if flush is None:
            return self.finalize(cell)
        cell.flushing, cell.method, cell.compute, cell.child, cell.plain = True, "flush", flush, 0, False
        if cell.on_error is not None:
            cell.on_error.begin()
        cell.now_ns, cell.origin_ns = self.now_ns, self.now_ns
        cell.meta, cell.carried = None, False
        if inspect.isasyncgenfunction(flush):
            cell.style = ASYNC_GENERATOR
        elif inspect.iscoroutinefunction(flush):
            cell.style = COROUTINE
        else:
            cell.style = GENERATOR if inspect.isgeneratorfunction(flush) else PLAIN
        self.mark(cell.position)
        return 0

    cdef int finalize(self, Cell cell) except -1:
        """Close its outputs behind their last record, leave its inputs."""
        cdef int i
        cdef Input end
        cdef ParameterInput parameter
        if not cell.flushing:
            self._count_last_wait(cell)
        cell.ended, cell.flushing, cell.iterator = True, False, None
        cell.counters.state, cell.counters.in_flight = ENDED, 0
        cell.counters.waiting_edge = cell.counters.blocked_edge = cell.counters.suspended = 0
        self.remaining -= 1
        if cell.turns is not None:
            self.finish_turn(cell)
        for i in range(cell.noutputs):
            (<Output>cell.outputs[i]).close()
            self.mark_readers(<Output>cell.outputs[i])
        for i in range(cell.ninputs):
            end = <Input>cell.inputs[i]
            end.leave()
            for position in end.writers():
                self._reader_left(<Cell>self.table[<int>position])
        for parameter in cell.parameters:
            parameter.leave()
        if cell.sink is not None:
            cell.sink.finish()
        if cell.feed is not None:
            cell.feed.finish("nobody reads it any more" if cell.abandoned else "its stream has ended")
        return 0

    cdef int _reader_left(self, Cell cell) except -1:
        """Closing travels upstream: who had readers, and has none left at any output, ends (RULES 21)."""
        cdef int i
        cdef Output output
        cdef bint had = False
        if cell.counters.blocked_edge:
            self.mark(cell.position)  # the room it waits for may have been of the reader that left
        for i in range(cell.noutputs):
            output = <Output>cell.outputs[i]
            if output.writer.nends:
                had = True
                if not df_all_gone(&output.writer):
                    return 0
        if had and not cell.ended:
            cell.abandoned = True
            self.mark(cell.position)
        return 0

    def close_outputs(self):
        """The run is being given up: nobody downstream shall wait for what will not come."""
        cdef Cell cell
        for cell in self.cells:
            for output in cell.output_list:
                (<Output>output).count_losses()

    def _failed(self, Cell cell, error):
        """Raise `error` as the failure of `cell`. KeyboardInterrupt and our own failures go through as they are."""
        if isinstance(error, (KeyboardInterrupt, NodeFailed, Stopped)):
            raise error
        cell.counters.errors += 1
        cell.counters.state = FAILED
        raise self._failure(cell, error) from error

    def _failure(self, Cell cell, error):
        """The NodeFailed that says where and when `cell` has raised `error`."""
        holds = cell.holds()
        input = cell.failing_input or next((end.name for end in cell.input_list if (<Input>end).fails()), None)
        seq = holds.get(input) if input else next(iter(holds.values()), None)
        inputs = "".join([f", {name} seq {number}" for name, number in holds.items()])
        meanwhile, advice = _meanwhile(error)
        tried = f", tried {cell.on_error.attempt + 1} times" if cell.on_error is not None and cell.on_error.attempt else ""
        return NodeFailed(
            f"{cell.name}: {cell.method} raised {told(error)} {meanwhile}"
            f"(firing {cell.firing}{tried}, t = {self.now_ns / 1e9:.6f} s{inputs}){advice}",
            node=cell.name, input=input, seq=seq, firing=cell.firing, method=cell.method,
        )
