# cython: language_level=3, embedsignature=True, auto_pickle=False, autotestdict=False
# cython: boundscheck=False, wraparound=False, cdivision=True
"""The cells of one scheduler in order of firing, which of them are candidates, and their timers.

Laws kept here:
L6   positions follow (rank, index) of the plan; the lowest candidate comes first, whatever made it one.
     A cell may be a candidate without being ready; who is ready is a candidate, or has a timer, or an end in another context.
     Time is told: `advance` at each step, and between two steps by ticks, if the driver lent a counter.
"""

cimport cython
import inspect

from cpython.mem cimport PyMem_Calloc, PyMem_Free
from cpython.ref cimport PyObject
from libc.stdint cimport int64_t, uint64_t, uintptr_t
from libc.stdlib cimport free

from .plan import PAUSED

from dfcore._bell cimport df_run_word, df_ticks
from dfcore._cell cimport FED, FILE, GRID, Cell
from dfcore._ends cimport Input, Output
from dfcore._parameters cimport ParameterInput
from dfcore._plain cimport is_plain
from dfcore._turns cimport Turns

from ._cell import attach

cdef enum:
    RUNNING = 2  # state of a node in its counters, as in `counters.py`

cdef bint PLAIN_ALLOWED = True


def allow_plain(bint allowed):
    """For the test of `_plain.pxd`: whether tables made from now on fire plain cells the short way."""
    global PLAIN_ALLOWED
    PLAIN_ALLOWED = allowed


cdef class Table:
    """The cells of one context (real time), or of the whole graph (virtual time).

    Args:
        plan, memory: the run's.
        nodes: node index -> the object, for the nodes that run here.
        values: output index -> shared list slot -> value, then slot -> metadata, for the object outputs of this process.
        eventfds: one per context, to wake those that are not here; [] in virtual time.
        virtual: one table for all contexts, time handed in.
        digest: digest every edge.
        seed: of the run.
    Attributes:
        remaining: how many nodes have not ended.
        world: whose time it is, or None.
        warnings: sentences for the user.
    """

    def __cinit__(self, plan, memory, dict nodes, dict values, list eventfds, *, bint virtual, bint digest, seed):
        order = [index for index in plan.firing_order if index in nodes]
        positions = {index: position for position, index in enumerate(order)}
        self.plan, self.memory, self.virtual = plan, memory, virtual
        self.paused = <df_run_word *><uintptr_t>(<Py_ssize_t>memory.address(0) + <Py_ssize_t>plan.layout.run + 8 * PAUSED)
        self.cells, self.count, self.remaining = [], len(order), len(order)
        self.nwords = self.count // 64 + 1
        self.dirty = <uint64_t *>PyMem_Calloc(self.nwords, sizeof(uint64_t))
        self.table = <PyObject **>PyMem_Calloc(self.count + 1, sizeof(void *))
        self.occupied = <char *>PyMem_Calloc(len(plan.contexts), 1)
        if not (self.dirty and self.table and self.occupied):
            raise MemoryError
        self.remote_inputs, self.remote_outputs, self.remote_parameters, self.file_cells, self.turn_cells = [], [], [], [], []
        self.warnings = []
        for position, index in enumerate(order):
            self._add(index, position, nodes[index], values, positions, eventfds, digest, seed)
        for position in range(self.count):
            self.table[position] = <PyObject *>self.cells[position]
            self.mark(position)
        self._list_remote()

    def _add(self, index, position, node, values, positions, eventfds, digest, seed):
        plan, memory = self.plan, self.memory
        declared = plan.nodes[index]
        inputs = [self._input(e, values, positions, eventfds, digest) for e in declared.inputs]
        turns = Turns(plan, memory, index, positions, eventfds) if declared.replicas > 1 else None
        outputs = [Output(plan, memory, o, values.get(o), positions, eventfds) for o in declared.outputs]
        names = [parameter.name for parameter in declared.parameters]
        edges = [parameter.edge for parameter in declared.parameters if parameter.edge is not None]
        if declared.settings is not None:
            edges += [e for e in plan.outputs[declared.settings].edges if plan.edges[e].node == index]
        parameters = [ParameterInput(plan, memory, e, names, positions, eventfds) for e in edges]
        cell = Cell(plan, memory, index, position, node, inputs, outputs, parameters, turns, seed)
        cell.plain = PLAIN_ALLOWED and is_plain(cell)
        self.cells.append(cell)
        if turns is not None:
            self.turn_cells.append(cell)
        self.remote_inputs += [(end, position) for end in inputs if (<Input>end).far()]
        required = [parameter.edge for parameter in declared.parameters if parameter.required]
        self.remote_parameters += [(end, position) for end in parameters if (<ParameterInput>end).index in required]
        self.remote_outputs += [
            (end, position) for end, o in zip(outputs, declared.outputs, strict=True)
            if any([plan.edges[e].node not in positions for e in plan.outputs[o].edges])
        ]

    def _input(self, e, values, positions, eventfds, digest):
        """The reading end of edge `e`, with those of the other rings if its writer is replicated."""
        edges = self.plan.edges
        first, *others = [Input(self.plan, self.memory, each, values.get(edges[each].output), positions, eventfds, digest)
                          for each in edges[e].rings or (e,)]
        if others:
            first.add_rings(others, edges[e].in_turn)
        return first

    def _list_remote(self):
        """The ends whose other side is in another context, as arrays: they are looked at in every sweep."""
        self.nremote_inputs, self.nremote_outputs = len(self.remote_inputs), len(self.remote_outputs)
        self.inputs_there = <Remote *>PyMem_Calloc(self.nremote_inputs + 1, sizeof(Remote))
        self.outputs_there = <Remote *>PyMem_Calloc(self.nremote_outputs + 1, sizeof(Remote))
        if not (self.inputs_there and self.outputs_there):
            raise MemoryError
        for i, (end, position) in enumerate(self.remote_inputs):
            self.inputs_there[i].end, self.inputs_there[i].position = <PyObject *>end, position
        for i, (end, position) in enumerate(self.remote_outputs):
            self.outputs_there[i].end, self.outputs_there[i].position = <PyObject *>end, position

    def __dealloc__(self):
        PyMem_Free(self.inputs_there)
        PyMem_Free(self.outputs_there)
        PyMem_Free(self.dirty)
        PyMem_Free(self.table)
        PyMem_Free(self.occupied)
        free(self.timers.timers)

    def attach(self):
        """Let the nodes see their cells."""
        cdef Cell cell
        for cell in self.cells:
            attach(cell.node, cell)

    def async_generators(self, positions):
        """Those of the cells at `positions` that were not taken to their end. No firing of theirs may be under way."""
        iterators = [(<Cell>self.table[<int>position]).iterator for position in positions]
        return [iterator for iterator in iterators if inspect.isasyncgen(iterator)]

    def detach(self):
        """The run is over: the nodes are ordinary objects again."""
        cdef Cell cell
        for cell in self.cells:
            attach(cell.node, None)
            cell.iterator = None

    def begin_run(self, double ns_per_tick=0.0):
        """Every node is open: time 0. `ns_per_tick` 0: there is no tick counter (virtual time)."""
        cdef Cell cell
        self.ticking, self.ns_per_tick = ns_per_tick > 0, df_tick_scale(ns_per_tick or 1.0)
        for cell in self.cells:
            cell.counters.state = RUNNING
            cell.counters.pace = cell.pace
            if cell.pace == GRID:
                df_heap_push(&self.timers, 0, cell.position)
            elif cell.pace == FILE:
                self.file_cells.append(cell)
            if self.ticking:
                cell.last_ticks = df_ticks()

    # -- life of a run --------------------------------------------------------------------------------------------------------

    def feeds(self):
        """(feed, position) of every emitter that the program feeds."""
        return [(cell.feed, cell.position) for cell in self.cells if (<Cell>cell).pace == FED]

    def offer(self, int position):
        """The program has put something for the cell at `position`, or will put no more. From any thread."""
        self.in_instant = 0  # the instant is as long as the program likes
        self.mark(position)

    def passed_over(self, uint64_t ticks):
        """The run was paused for so many ticks: they count for nothing."""
        cdef Cell cell
        for cell in self.cells:
            if not cell.busy:
                cell.last_ticks += ticks

    def files(self):
        """(file, cell) of every emitter that waits for a file."""
        return [(file, cell) for cell in self.cells if (<Cell>cell).pace == FILE for file in (<Cell>cell).files]

    def readable(self, Cell cell):
        """A file of `cell` is readable."""
        cell.readable = True
        self.mark(cell.position)

    def watch_files(self, watch):
        """In a world: `watch(file)` makes the predicate that tells whether `file` is readable now."""
        cdef Cell cell
        for cell in self.file_cells:
            cell.file_ready = [watch(file) for file in cell.files]

    def in_flight(self):
        """Names of the nodes whose user code is running or awaiting."""
        return [cell.name for cell in self.cells if (<Cell>cell).busy]

    def busy(self):
        """Positions of the cells whose user code is running or awaiting."""
        return [cell.position for cell in self.cells if (<Cell>cell).busy]

    def context_of(self, int position):
        """Index of the context in which the cell at `position` runs."""
        return (<Cell>self.table[position]).context

    # -- time -----------------------------------------------------------------------------------------------------------------

    cdef int64_t time(self) except? -2:
        """The run clock as exactly as the driver allows: the step's time, plus ticks if it lent a counter."""
        if self.ticking:
            return self.now_ns + df_ticks_to_ns(df_ticks() - self.ticks_then, self.ns_per_tick)
        if self.world is not None:
            self.now_ns = self.world.now_ns - self.zero_ns
        return self.now_ns

    def time_is(self, int64_t now_ns):
        """Virtual time has moved, and a coroutine may finish before the table is asked again."""
        self.now_ns = now_ns

    cdef void advance(self, int64_t now_ns):
        """Time is `now_ns`: whose timer is due becomes a candidate."""
        self.now_ns = now_ns
        if self.ticking:
            self.ticks_then = self.ticks = df_ticks()
        else:
            self.ticks = now_ns
        while self.timers.count and self.timers.timers[0].due_ns <= now_ns:
            self.mark(df_heap_pop(&self.timers))

    cpdef int64_t next_ns(self):
        """The next timer, or -1: none."""
        return self.timers.timers[0].due_ns if self.timers.count else -1
