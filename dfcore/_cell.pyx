# cython: language_level=3, embedsignature=True, auto_pickle=False, autotestdict=False
# cython: boundscheck=False, wraparound=False, cdivision=True
"""A node inside a run: a Cell takes a firing's inputs, calls user code, and puts what it returned into slots.

Laws kept here:
L3   a firing takes exactly one record (or batch) of each `every` input and the newest of each `latest` one.
L9   the arguments of a firing lie in memory of the cell; nothing is allocated for the call itself.
     `origin_ns` of a firing is the oldest of the records it took over inputs that are not feedback (RULES 2).
     `rng` depends on (seed, node name, firing) only: the same for any placement.
     `meta` of a firing begins as the union of what came with its records, in order of the inputs: of two values for one key the
     later input's counts. What is in it when an object is published goes with the object; a record carries none.
A cell keeps nothing in C locals across a call into user code: in a world another thread goes on with other cells meanwhile. It
knows no other cell, no readiness, no time but the one it is told.

Live is what user code sees of its cell: the native base class of every node. Outside a run it works on private memory.
"""

cimport cython
import hashlib

import numpy as np

from cpython.mem cimport PyMem_Calloc, PyMem_Free
from cpython.ref cimport PyObject
from libc.stdint cimport int64_t, uint32_t, uint64_t, uintptr_t

from .errors import DtypeError
from .plan import ALL, ANY, ONE
from .sentinels import SKIP, STOP

from dfcore._ends cimport NO_ORIGIN, Input, Output, base, df_node_counters
from dfcore._onerror cimport OnError
from dfcore._joins cimport Merge, Share, Sync
from dfcore._parameters cimport ParameterInput
from dfcore._record cimport ARRAY, OBJECT, SCALAR, STRUCTURED, Format, Slot, private_slot
from dfcore._sink cimport Sink
from dfcore._turns cimport Turns


cdef object SKIP_RESULT = SKIP  # C globals: compared at every firing
cdef object STOP_RESULT = STOP

STYLES = {"plain": PLAIN, "coroutine": COROUTINE, "generator": GENERATOR, "async_generator": ASYNC_GENERATOR}
DEADLINE_ACTIONS = {"count": 0, "safe": 1, "error": 2}

cdef enum:
    LINE = 64
    RUNNING = 2  # state of a node in its counters, as in `counters.py`

cdef struct PhiloxState:  # numpy/random/src/philox/philox.h, philox_state: checked against NumPy's own view at import
    uint64_t *counter
    uint64_t *key
    int buffer_pos
    uint64_t buffer[4]
    int has_uint32
    uint32_t uinteger


def _philox_layout_is_known():
    """Whether writing the state through its address does what assigning `state` does."""
    cdef PhiloxState *state
    bits = np.random.Philox(key=[1, 2], counter=[3, 4, 5, 6])
    state = <PhiloxState *><uintptr_t>bits.ctypes.state_address
    wanted = bits.state
    return (
        [state.counter[i] for i in range(4)] == list(wanted["state"]["counter"])
        and [state.key[i] for i in range(2)] == list(wanted["state"]["key"])
        and state.buffer_pos == wanted["buffer_pos"]
        and state.has_uint32 == wanted["has_uint32"]
    )


cdef bint PHILOX_IS_KNOWN = _philox_layout_is_known()


def rng_key(seed, str name):
    """The 128-bit key of a node's random numbers, as two words: a hash of (run seed, node name)."""
    digest = hashlib.blake2b(f"{seed}\0{name}".encode(), digest_size=16).digest()
    return [int.from_bytes(digest[:8], "little"), int.from_bytes(digest[8:], "little")]


@cython.final
cdef class Cell:
    """One node of a scheduler. States: idle; busy (a firing is under way); ended.

    Args:
        plan, memory: the run's.
        index: of the node in the plan; position: in the scheduler's order of firing.
        node: the object whose `compute` runs.
        inputs, outputs, parameters: its ends, made by the scheduler; turns: of one of several replicas, else None.
    """

    def __cinit__(self, plan, memory, int index, int position, node, list inputs, list outputs, list parameters, Turns turns, seed):
        declared = plan.nodes[index]
        self.index, self.position, self.context, self.name, self.node = index, position, declared.context, declared.name, node
        self.input_list, self.output_list, self.parameters = inputs, outputs, parameters
        self.ninputs, self.noutputs = len(inputs), len(outputs)
        self.turns, self.title = turns, declared.title
        self.nresults = self.noutputs - (declared.on_error == "emit")
        self.on_error = None if declared.on_error == "stop" else OnError(declared)
        self.gaps = declared.fires != ANY and declared.sync_ns is None and any([(<Input>end).gaps for end in inputs]) or any([(<Output>end).gaps for end in outputs])
        self.counters = <df_node_counters *>(base(memory, 1 + declared.context) + <Py_ssize_t>plan.layout.nodes[index])
        self.names = tuple([p.name for p in declared.parameters])
        self.values = [_frozen(p.value) for p in declared.parameters]
        self.nvalues = len(self.values)
        cdef int pointers = 2 * self.ninputs + self.noutputs + 1 + self.nvalues
        self.inputs = &self.few[0]
        if pointers > FEW_POINTERS:
            self.inputs = <PyObject **>PyMem_Calloc(pointers, sizeof(void *))
            if not self.inputs:
                raise MemoryError
        self.outputs = self.inputs + self.ninputs
        self.arguments = self.outputs + self.noutputs
        for i in range(self.ninputs):
            self.inputs[i] = <PyObject *>inputs[i]
        for i in range(self.noutputs):
            self.outputs[i] = <PyObject *>outputs[i]
        self.aged = any([end.max_age_ns >= 0 for end in inputs])
        self.gathers = any([(<Input>end).batch > 0 or (<Input>end).decimate > 1 or (<Input>end).careful for end in inputs])
        self.seed = seed
        self.files, self.method = [], "compute"
        self.feed = getattr(node, "_feed", None)
        self._set_pace(declared)
        self._set_code(node, declared)

    def _set_pace(self, declared):
        self.emitter, self.ends_with_stop = declared.role == "emitter", declared.ends_with_stop
        self.catch_up = declared.overrun == "catch_up"
        self.deadline_ns = -1 if declared.deadline_ns is None else declared.deadline_ns
        self.on_deadline = DEADLINE_ACTIONS[declared.on_deadline]
        self.cost = declared.cost_ns
        self.fixed_cost = -1 if callable(self.cost) or hasattr(self.cost, "__getitem__") else int(self.cost)
        if declared.period_ns is not None:
            self.pace, (self.numerator, self.denominator) = GRID, declared.period_ns
        else:
            self.pace = FREE if self.emitter else INPUTS
        if self.feed is not None:
            self.pace = FED

    def _set_code(self, node, declared):
        keep = getattr(node, "_sink_keep", None)
        self.join = Merge(self.input_list) if declared.fires == ANY else None
        if declared.sync_ns is not None:
            self.join = Sync(self.input_list, declared.sync_ns)
        self.share = Share(self.output_list) if declared.fires == ONE else None
        if declared.fires != ALL:
            self.style = RELAY
            for end in self.input_list:
                (<Input>end).leave_bare()
        elif keep is not None:
            self.style = SINK
            (<Input>self.input_list[0]).own = True  # what is kept must not keep memory of the run
            self.sink = Sink((<Input>self.input_list[0]).format.dtype, keep)
            node._sink = self.sink
        else:
            self.style, self.compute = STYLES[declared.style], node._compute()

    def __dealloc__(self):
        if self.inputs != &self.few[0]:
            PyMem_Free(self.inputs)

    cdef int refresh(self) except -1:
        """Put the newest parameter values in force."""
        cdef ParameterInput parameter
        cdef int i
        for parameter in self.parameters:
            parameter.refresh(self.values)
        for i in range(self.nvalues):
            self.arguments[1 + self.ninputs + i] = <PyObject *>self.values[i]
        return 0

    cdef int take(self, int64_t now_ns) except -1:
        """Take this firing's records."""
        self.forget_before(now_ns)
        if self.on_error is not None:
            self.on_error.begin()
        if self.style == RELAY:
            return self.take_one(now_ns)
        return self.take_inputs(now_ns)

    cdef int take_one(self, int64_t now_ns) except -1:
        """Have the record in hand that goes on, and keep its time."""
        cdef Input end
        if self.join is not None:
            self.chosen = (<Merge>self.join).choose(now_ns)
        end = <Input>self.inputs[self.chosen]
        if end.held == NULL:
            end.take(now_ns)
        self.origin_ns = now_ns if end.from_initial else end.held.origin_ns
        return 0

    cdef bint relay(self) except -1:
        """Copy the record in hand into the slot of the output that it goes to. False: it waits for memory of its arena."""
        cdef bint there = (<Output>self.outputs[self.dealt]).forward(<Input>self.inputs[self.chosen])
        if self.share is not None:
            self.share.last = self.dealt
        return there

    cdef object call(self):
        """Run user code with what was taken."""
        cdef Input end
        if self.style == SINK:
            end = <Input>self.inputs[0]
            self.sink.append(<const char *>end.held + LINE,
                             None if self.sink.values is None else <object>end.argument,
                             self.now_ns if end.from_initial else end.held.origin_ns)
            return None
        if self.flushing:
            return self.compute()
        return self.call_compute()

    cdef int deliver(self, object result) except -1:
        """Put what user code returned into slots, unpublished. Returns PUBLISHED, STOPPED or 0 (nothing to publish)."""
        cdef int i, found = 0
        if self.nresults == 0:
            return STOPPED if result is STOP_RESULT else 0
        if result is STOP_RESULT:
            self.drop_outputs()
            return STOPPED
        if result is SKIP_RESULT:
            self.drop_outputs()
            return 0
        if self.nresults == 1:
            return self.place(<Output>self.outputs[0], result)
        if result is None:
            for i in range(self.nresults):
                found |= self.place(<Output>self.outputs[i], None)
            return found
        if not isinstance(result, (tuple, list)) or len(result) != self.nresults:
            names = ", ".join([f"`{(<Output>end).name}`" for end in self.output_list[:self.nresults]])
            raise DtypeError(f"{self.name}: needed a tuple of {self.nresults} values, for {names}, was {_short(result)}; "
                             "return one value (or SKIP) per output")
        for i in range(self.nresults):
            if result[i] is SKIP_RESULT:
                (<Output>self.outputs[i]).discard()
            elif result[i] is STOP_RESULT:
                raise DtypeError(f"{self.name}.{(<Output>self.outputs[i]).name}: needed a value or SKIP, was STOP; "
                                 "STOP ends the whole node: return it alone")
            else:
                found |= self.place(<Output>self.outputs[i], result[i])
        return found

    cdef int place(self, Output output, object value) except -1:
        cdef dict meta = None
        if output.format.kind == OBJECT:
            if self.carried or self.meta is not None:
                meta = dict(self.gather_meta()) or None  # what is changed later does not change what was published
            return PUBLISHED if output.put(value, meta) else WITHHELD
        if value is None:
            if not output.looked_up:
                if output.format.kind == SCALAR:
                    raise DtypeError(f"{self.name}.{output.name}: needed {output.format.dtype}, was None; return a value, or SKIP")
                raise DtypeError(f"{self.name}.{output.name}: returned None and wrote nothing: return a value, write to "
                                 "self.output, or return SKIP")
        else:
            output.store(value)
        if output.bounds is not None:
            output._check_bounds()
        output.check_kept(<PyObject *>value)
        return PUBLISHED

    cdef dict gather_meta(self):
        """The metadata of this firing."""
        cdef int i
        cdef dict meta
        if self.meta is None:
            self.meta = {}
            for i in range(self.ninputs if self.carried else 0):
                meta = (<Input>self.inputs[i]).meta()
                if meta is not None:
                    self.meta.update(meta)
        return self.meta

    cdef bint has_blocks(self) noexcept:
        """Every object of a withheld publication has its memory now."""
        cdef int i
        for i in range(self.noutputs):
            if not (<Output>self.outputs[i]).has_block():
                return False
        return True

    cdef int send(self) except -1:
        """Put the objects of a withheld publication into their memory."""
        cdef int i
        for i in range(self.noutputs):
            (<Output>self.outputs[i]).send()
        return 0

    cdef void drop_outputs(self) noexcept:
        cdef int i
        for i in range(self.noutputs):
            (<Output>self.outputs[i]).discard()

    cdef bint wrote(self) noexcept:
        """User code looked an output up since the last publication."""
        cdef int i
        for i in range(self.noutputs):
            if (<Output>self.outputs[i]).looked_up:
                return True
        return False

    cdef uint64_t freed(self) noexcept:
        """How many slots its inputs have given back."""
        cdef int i
        cdef uint64_t sum = 0
        for i in range(self.ninputs):
            sum += (<Input>self.inputs[i]).freed
        return sum

    cdef int release(self, bint taken) except -1:
        """Give this firing's records back; what a merge has in hand of other inputs stays there."""
        cdef int i
        if self.style == RELAY:
            return (<Input>self.inputs[self.chosen]).release(taken)
        for i in range(self.ninputs):
            (<Input>self.inputs[i]).release(taken)
        return 0

    cdef object random(self):
        """The generator of this firing: counter = (0, firing, 0, attempt), so that each attempt has 2**64 draws of its own.

        In `open`, (0, 0, 1, 0): what it draws is not drawn again by the first firing.
        """
        cdef PhiloxState *state
        if self.generator is None:
            self.generator = np.random.Generator(np.random.Philox(key=rng_key(self.seed, self.title)))
        if not self.rng_used:
            self.rng_used = True
            bits = self.generator.bit_generator
            if PHILOX_IS_KNOWN:
                state = <PhiloxState *><uintptr_t>bits.ctypes.state_address
                state.counter[0], state.counter[3] = 0, self.attempt()
                state.counter[1], state.counter[2] = self.firing, self.counters.state < RUNNING
                state.buffer_pos, state.has_uint32, state.uinteger = 4, 0, 0
            else:
                key = rng_key(self.seed, self.title)
                bits.state = np.random.Philox(key=key, counter=[0, self.firing, self.counters.state < RUNNING, self.attempt()]).state
        return self.generator

    cdef int attempt(self) noexcept:
        """How often this firing was begun before."""
        return 0 if self.on_error is None else self.on_error.attempt

    cdef object current_output(self):
        if self.nresults == 1:
            return (<Output>self.outputs[0]).look_up()
        return Outputs(self)

    def holds(self):
        """Names and seq of the records in hand, for messages."""
        return {(<Input>end).name: (<Input>end).held.seq for end in self.input_list if (<Input>end).held != NULL}

    def parameter(self, str name):
        """The value in force of a parameter."""
        return self.values[self.names.index(name)]


cdef object _frozen(value):
    """A starting value as firings see it: arrays read-only, which pickling forgets."""
    if isinstance(value, np.ndarray):
        value = value.copy()
        value.flags.writeable = False
    return value


cdef str _short(value):
    text = f"{type(value).__name__} of {len(value)}" if isinstance(value, (tuple, list)) else repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


class Outputs:
    """The outputs of the firing under way, by name: `self.output["sum"]`."""

    __slots__ = ("_cell",)

    def __init__(self, cell):
        self._cell = cell

    def __getitem__(self, name):
        cdef Cell cell = self._cell
        for end in cell.output_list[:cell.nresults]:
            if (<Output>end).name == name:
                return (<Output>end).look_up()
        names = ", ".join([f"`{(<Output>end).name}`" for end in cell.output_list[:cell.nresults]])
        raise KeyError(f"{cell.name}: needed one of {names}, was `{name}`")


class Header:
    """Of a record: `seq` (from 1), `publish_ns`, `origin_ns` (the time it is about)."""

    __slots__ = ("seq", "publish_ns", "origin_ns")

    def __init__(self, seq, publish_ns, origin_ns):
        self.seq, self.publish_ns, self.origin_ns = seq, publish_ns, origin_ns

    def __repr__(self):
        return f"Header(seq={self.seq}, publish_ns={self.publish_ns}, origin_ns={self.origin_ns})"


#: What to do instead of assigning to a name that every node has.
cdef dict INSTEAD = {
    "output": "return the value, or write `self.output[...] = value`; give an attribute of your own another name",
    "meta": 'write `self.meta["key"] = value` or `self.meta.update(...)`; give an attribute of your own another name',
}


def _taken(node, name):
    """The error for assigning to a name that every node has."""
    do = INSTEAD.get(name, "rename it")
    return AttributeError(f"{type(node).__name__}.{name}: needed a name of its own, was `{name}`, which every node has; {do}")


cdef class Live:
    """What a node sees of the run it is in. Outside a run: time 0, seed 0, private memory."""

    @property
    def output(self):
        """The slot of this firing, zeroed; look it up in each firing. Several outputs: `self.output["name"]`."""
        if self.cell is not None:
            return self.cell.current_output()
        return self._private_output()

    @output.setter
    def output(self, value):
        raise _taken(self, "output")

    def _private_output(self):
        """Memory of its own, so that `node.compute(...)` is an ordinary call outside a run."""
        cdef Slot slot
        cdef Format format
        if self.private is None:
            self.private = {}
            for name, dtype in self._output_dtypes().items():
                format = Format.of(dtype)
                if format.kind == STRUCTURED or format.kind == ARRAY:
                    slot = private_slot(format.itemsize)
                    self.private[name] = format.view(slot, name)
        return next(iter(self.private.values())) if len(self.private) == 1 else self.private

    @property
    def now_ns(self):
        """Run clock at the start of the firing."""
        return self.cell.now_ns if self.cell is not None else 0

    @now_ns.setter
    def now_ns(self, value):
        raise _taken(self, "now_ns")

    @property
    def firing(self):
        """Index of the firing, from 0."""
        return self.cell.firing if self.cell is not None else 0

    @firing.setter
    def firing(self, value):
        raise _taken(self, "firing")

    @property
    def rng(self):
        """Random numbers that depend on (run seed, node name, firing) only: `numpy.random.Generator`."""
        if self.cell is not None:
            return self.cell.random()
        if self.private_rng is None:
            self.private_rng = np.random.Generator(np.random.Philox(key=rng_key(0, self.name)))
        return self.private_rng

    @rng.setter
    def rng(self, value):
        raise _taken(self, "rng")

    @property
    def meta(self):
        """The metadata of this firing, a dict: at its start what came with the records of the inputs, of two values for one key
        that of the later input. What is in it goes out with objects, also into other processes; records carry none.
        """
        if self.cell is not None:
            return self.cell.gather_meta()
        if self.private_meta is None:
            self.private_meta = {}
        return self.private_meta

    @meta.setter
    def meta(self, value):
        raise _taken(self, "meta")

    @property
    def origin_ns(self):
        """The time that the record of this firing is about. An emitter may set it in `compute`."""
        return self.cell.origin_ns if self.cell is not None else 0

    @origin_ns.setter
    def origin_ns(self, value):
        if self.cell is None:
            return
        if not self.cell.emitter:
            raise AttributeError(f"{self.cell.name}.origin_ns: needed an emitter, was a node with inputs, whose records are as old "
                                 "as what it took; set it where the data comes from")
        self.cell.origin_ns = value

    def header(self, input):
        """The header of the record in hand at `input`, a name or a position. Raises LookupError: no such record."""
        cdef Input end
        if self.cell is None:
            return Header(0, 0, 0)
        for i, item in enumerate(self.cell.input_list):
            end = item
            if end.name == input or i == input:
                if end.held == NULL:
                    break
                return Header(end.held.seq, end.held.publish_ns, end.held.origin_ns)
        raise LookupError(f"{self.cell.name}.header: needed an input with a record in hand, was {input!r}")

    def wait_for(self, file):
        """Fire this emitter whenever `file` (anything with `fileno()`) is readable. Call it in `open`."""
        if self.cell is None:
            return
        if not self.cell.emitter or self.cell.pace == GRID or self.cell.pace == FED:
            raise TypeError(f"{self.cell.name}.wait_for: needed an emitter without rate_hz; what is paced by a file has no other pace")
        if self.cell.counters.state >= RUNNING:
            raise RuntimeError(f"{self.cell.name}.wait_for: needed to be called in `open`, was called while the graph runs; what an "
                               "emitter waits for is known before it fires")
        if not isinstance(file, int):
            if not hasattr(file, "fileno"):
                raise TypeError(f"{self.cell.name}.wait_for: needed a file (anything with `fileno()`), was {file!r}; open it first")
            file.fileno()  # of a closed file: say so here
        self.cell.pace = FILE
        self.cell.files.append(file)


def attach(Live node, Cell cell):
    """Let `node` see the run through `cell`; None: the run is over."""
    node.cell = cell
