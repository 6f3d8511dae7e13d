# cython: language_level=3, embedsignature=True, auto_pickle=False, autotestdict=False
"""Records as user code sees them, over memory that somebody else owns.

Laws
L10   everything handed out keeps its `Slot` alive, and counts: `extra_references` is 0 exactly when user code kept nothing.
      Therefore views of a record refer to its root or its vector, a nested record refers to its parent, and nothing that is
      handed out is cached anywhere else. Exact under the GIL only.
RULES 6   one `Record` per slot and input, another for the output: never shared between readers, or the counts would lie.
RULES 27  digests run over the fields, never over padding.
A scalar is a copy, never a view. A value that does not fit raises DtypeError and changes nothing that was there before.
Knows nothing of rings, nodes or firings. NumPy is used at run time only, through its Python interface.
"""

import sys

import numpy as np

cimport cython
from cpython.buffer cimport PyBUF_RECORDS_RO, PyBUF_SIMPLE, PyBuffer_FillInfo, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from cpython.dict cimport PyDict_GetItem
from cpython.exc cimport PyErr_Clear, PyErr_ExceptionMatches
from cpython.float cimport PyFloat_Check
from cpython.list cimport PyList_GET_ITEM
from cpython.long cimport PyLong_CheckExact
from cpython.mem cimport PyMem_Calloc, PyMem_Free, PyMem_Malloc
from cpython.object cimport Py_EQ, Py_NE, Py_TYPE, PyObject, PyObject_RichCompare, PyTypeObject
from cpython.tuple cimport PyTuple_Check, PyTuple_GET_ITEM, PyTuple_GET_SIZE
from libc.stdint cimport uint64_t, uintptr_t
from libc.string cimport memcpy, memmove, memset

from collections.abc import Mapping

from dfcore import dtypes, values
from dfcore._scalar cimport characters_of, code_of, load_scalar, python_value, store_scalar
from dfcore.errors import DtypeError

cdef extern from "Python.h":
    int generic_set "PyObject_GenericSetAttr" (object thing, object name, object value) noexcept
    PyObject *PyType_Lookup "_PyType_Lookup" (PyTypeObject *type, object name) noexcept

cdef extern from "_digest.h" nogil:
    uint64_t df_digest(const char *data, size_t size, uint64_t h)

if "t" in sys.abiflags:
    raise ImportError("dfcore needs a Python with the GIL: kept views are found by exact reference counts")

cdef object ndarray = np.ndarray
cdef object generic = np.generic
cdef PyTypeObject *ndarray_type = <PyTypeObject *>np.ndarray

cdef dict _KINDS = {"structured": STRUCTURED, "scalar": SCALAR, "array": ARRAY, "object": OBJECT}


# ------------------------------------------------------------------------------------------------------------------ memory


@cython.final
@cython.no_gc_clear  # what keeps the memory must outlive `release`
cdef class Slot:
    """Borrowed memory of one record as one input or output sees it: what is handed out finally refers to it."""

    def __getbuffer__(self, Py_buffer *view, int flags):
        PyBuffer_FillInfo(view, self, self.data, self.size, self.readonly, flags)

    def __dealloc__(self):
        if self.release != NULL:
            self.release(self.release_arg)


cdef Slot new_slot(char *data, Py_ssize_t size, bint readonly, object owner):
    """`size` bytes at `data`, which `owner` keeps alive."""
    cdef Slot slot = Slot.__new__(Slot)
    slot.data, slot.size, slot.readonly, slot.owner = data, size, readonly, owner
    return slot


cdef void free_memory(void *memory) noexcept:
    PyMem_Free(memory)


cdef Slot private_slot(Py_ssize_t size):
    """Zeroed memory of its own."""
    cdef Slot slot
    cdef char *data = <char *>PyMem_Calloc(1, size)
    if data == NULL:
        raise MemoryError
    slot = new_slot(data, size, False, None)
    slot.release, slot.release_arg = free_memory, data
    return slot


cdef void end_export(void *buffer) noexcept:
    PyBuffer_Release(<Py_buffer *>buffer)
    PyMem_Free(buffer)


cdef Slot lend(object exporter):
    """The memory of a buffer, which stays exported as long as the slot is used."""
    cdef Slot slot
    cdef Py_buffer *buffer = <Py_buffer *>PyMem_Malloc(sizeof(Py_buffer))
    if buffer == NULL:
        raise MemoryError
    try:
        PyObject_GetBuffer(exporter, buffer, PyBUF_SIMPLE)
    except BaseException:
        PyMem_Free(buffer)
        raise
    slot = new_slot(<char *>buffer.buf, buffer.len, buffer.readonly, None)
    slot.release, slot.release_arg = end_export, buffer
    return slot


# ---------------------------------------------------------------------------------------------------------------- messages


cdef str path(Where *where):
    """`sensor.pose.x`"""
    parts = []
    while where != NULL:
        parts.append(<object>where.name)
        where = where.up
    return ".".join(reversed(parts))


cdef object no_such(Format format, str where, object name):
    names = format.names
    return DtypeError(f"{where}: needed the fields {', '.join(names)}, was also {values.unknown_field(name, names)}")


cdef str fields_differ(object needed, object found):
    return "the fields differ:\n  " + dtypes.difference(needed, found).replace("\n", "\n  ")


cdef str mixture(Format format):
    """Which field is the first of another type."""
    leaves = list(_leaves(format.dtype, ""))
    first = leaves[0]
    for name, dtype in leaves:
        if dtype != first[1]:
            return f"`{first[0]}` is {dtypes.describe(first[1])}, `{name}` is {dtypes.describe(dtype)}"
    return f"`{first[0]}` is {dtypes.describe(first[1])}"


def _leaves(dtype, path):
    """(path, element dtype) of every field that is no record."""
    if dtype.subdtype is not None:
        dtype = dtype.subdtype[0]
    if dtype.names is None:
        yield path, dtype
        return
    for name in dtype.names:
        yield from _leaves(dtype.fields[name][0], f"{path}.{name}" if path else name)


# ----------------------------------------------------------------------------------------------------------------- formats


cdef object _TOKEN = object()  # what is made with it was made by this module
cdef tuple _TOKEN_ARGS = (_TOKEN,)
cdef dict _formats = {}


@cython.final
cdef class Format:
    """How one stored dtype is read from and written to memory. One per dtype: `Format.of(dtype)`.

    Attributes:
        dtype: as stored.
        kind: STRUCTURED, SCALAR, ARRAY or OBJECT.
        itemsize: bytes.
        names: of the fields of a structured dtype; else empty.
    """

    def __cinit__(self, token=None):
        if token is not _TOKEN:
            raise TypeError("Format: made by Format.of(dtype) only")
        self.names = self.fields = ()

    def __dealloc__(self):
        PyMem_Free(self.runs)

    @staticmethod
    def of(dtype):
        """The format of `dtype`, in its stored form. Raises DtypeError if there is none."""
        cdef Format format
        cdef PyObject *known
        if isinstance(dtype, np.dtype):
            known = PyDict_GetItem(_formats, dtype)
            if known != NULL:
                return <object>known
        dtype = dtypes.stored(dtype)
        known = PyDict_GetItem(_formats, dtype)
        if known != NULL:
            return <object>known
        format = make_format(dtype)
        _formats[dtype] = format
        return format

    def pack(self, value, str end="value"):
        """The bytes of `value` in memory, padding zero. Raises DtypeError naming `end`."""
        cdef Slot slot = private_slot(self.itemsize)
        self.store(slot.data, value, end)
        return self.clean(slot.data)

    def unpack(self, data, str end="record"):
        """What an input would hand over for these bytes, in memory of its own: a number, `Record` or `ndarray`."""
        cdef Slot slot = private_slot(self.itemsize)
        self.copy_bytes(slot.data, data)
        return self.load(slot.data) if self.kind == SCALAR else self.view(slot, end)

    def hash(self, data, uint64_t start=0):
        """The digest `start` rolled over the fields of the record in `data`, a buffer."""
        cdef Slot slot = private_slot(self.itemsize)
        self.copy_bytes(slot.data, data)
        return self.digest(slot.data, start)

    cdef int copy_bytes(self, char *target, object data) except -1:
        """Fill `target` from a buffer of exactly one record."""
        cdef Py_buffer buffer
        PyObject_GetBuffer(data, &buffer, PyBUF_SIMPLE)
        try:
            if buffer.len != self.itemsize:
                needs = f"the {self.itemsize} bytes of {dtypes.describe(self.dtype)}"
                raise ValueError(f"data: needed {needs}, was {buffer.len} bytes")
            memcpy(target, buffer.buf, buffer.len)
        finally:
            PyBuffer_Release(&buffer)

    def over(self, buffer, str end="record"):
        """A view over the memory of `buffer` (a number: its copy), read-only if the buffer is; it stays exported while in use.

        Raises:
            ValueError: not exactly one record, or not aligned as the dtype needs.
        """
        cdef Slot slot = lend(buffer)
        if slot.size != self.itemsize or <uintptr_t>slot.data % <uintptr_t>self.dtype.alignment:
            raise ValueError(f"buffer: needed {self.itemsize} bytes aligned to {self.dtype.alignment}, was {slot.size} bytes "
                             f"at {<uintptr_t>slot.data:#x}")
        return self.load(slot.data) if self.kind == SCALAR else self.view(slot, end)

    cdef object clean(self, const char *data):
        """The bytes of a record, padding zero."""
        cdef bytes result = PyBytes_FromStringAndSize(NULL, self.itemsize)
        cdef char *target = PyBytes_AS_STRING(result)
        cdef Py_ssize_t i
        memset(target, 0, self.itemsize)
        for i in range(self.nruns):
            memcpy(target + self.runs[2 * i], data + self.runs[2 * i], self.runs[2 * i + 1])
        return result

    cdef object view(self, Slot slot, str end):
        """A `Record` (structured) or `ndarray` (array) over the memory of `slot`; `end` names it in messages."""
        if self.kind == STRUCTURED:
            return new_record(self, slot, slot.data, end, None, None)
        return ndarray(self.shape, self.base, slot)

    cdef object load(self, char *data):
        """The Python number of a scalar: a copy."""
        return load_scalar(self.code, data, self.itemsize, self.dtype)

    cdef int store(self, char *data, object value, str end) except -1:
        """Write `value` by the rules for values. Raises DtypeError naming `end` and the field; bytes may be written by then."""
        cdef Where where
        if self.kind == SCALAR and store_scalar(self.code, data, value, self.itemsize):
            return 0
        where.up, where.name = NULL, <PyObject *>end
        return self.put(data, value, &where)

    cdef uint64_t digest(self, const char *data, uint64_t h) noexcept nogil:
        """`h` rolled over the fields, never over padding."""
        cdef Py_ssize_t i
        for i in range(0, 2 * self.nruns, 2):
            h = df_digest(data + self.runs[i], self.runs[i + 1], h)
        return h

    cdef int put(self, char *data, object value, Where *where) except -1:
        if self.kind == SCALAR:
            if store_scalar(self.code, data, value, self.itemsize):
                return 0
            known = python_value(value)
            if known is not None and store_scalar(self.code, data, known, self.itemsize):
                return 0
            return self.put_slowly(data, value, where)
        if self.kind == ARRAY:
            return 0 if self.put_buffer(data, value) else self.put_slowly(data, value, where)
        if self.kind == STRUCTURED:
            return self.put_record(data, value, where)
        raise TypeError("Format.store: an object has no memory")

    cdef int put_slowly(self, char *data, object value, Where *where) except -1:
        shape = self.shape if self.kind == ARRAY else ()
        base = self.base if self.kind == ARRAY else self.dtype
        put_elements(data, self.itemsize, value, base, shape, where)
        return 0

    cdef int put_record(self, char *data, object value, Where *where) except -1:
        if PyTuple_Check(value):
            return self.put_tuple(data, value, where)
        if self.count == 1 and (PyFloat_Check(value) or PyLong_CheckExact(value)):
            return self.put_single(data, value, where)
        if isinstance(value, Record):
            if (<Record>value).format is self:
                memmove(data, (<Record>value).data, self.itemsize)
                return 0
            raise self.misfit(value, where, fields_differ(self.dtype, (<Record>value).format.dtype))
        if Py_TYPE(value) == ndarray_type or isinstance(value, (ndarray, generic)):
            return 0 if self.put_buffer(data, value) else self.put_array(data, value, where)
        if isinstance(value, (dict, Mapping)):
            return self.put_mapping(data, value, where)
        if hasattr(type(value), "__array__"):
            return self.put_array(data, np.asarray(value), where)
        return self.put_single(data, value, where)

    cdef int put_tuple(self, char *data, object value, Where *where) except -1:
        cdef Where inner
        cdef Py_ssize_t i
        cdef Field field
        cdef object item
        if PyTuple_GET_SIZE(value) != PyTuple_GET_SIZE(self.fields):
            raise self.misfit(value, where, "")
        inner.up = where
        for i in range(PyTuple_GET_SIZE(value)):
            field = <Field>PyTuple_GET_ITEM(self.fields, i)
            item = <object>PyTuple_GET_ITEM(value, i)
            if field.kind == SCALAR and store_scalar(field.code, data + field.offset, item, field.format.itemsize):
                continue
            inner.name = <PyObject *>field.name
            field.format.put(data + field.offset, item, &inner)
        return 0

    cdef int put_mapping(self, char *data, object value, Where *where) except -1:
        cdef Where inner
        cdef Field field
        for name in value:
            if name not in self.by_name:
                raise no_such(self, path(where), name)
        missing = [name for name in self.names if name not in value]
        if missing:
            raise DtypeError(f"{path(where)}: needed the fields {', '.join(self.names)}, was without {', '.join(missing)}; "
                             "give them all")
        inner.up = where
        for field in self.fields:
            inner.name = <PyObject *>field.name
            field.format.put(data + field.offset, value[field.name], &inner)
        return 0

    cdef int put_array(self, char *data, object value, Where *where) except -1:
        """A NumPy array or scalar: a record of this dtype, all elements in a row, or the only element."""
        if value.dtype.names is not None:
            if value.shape == () and (value.dtype == self.dtype or dtypes.agree(value.dtype, self.dtype)):
                ndarray((), self.dtype, new_slot(data, self.itemsize, False, None))[...] = value
                return 0
            raise self.misfit(value, where, fields_differ(self.dtype, value.dtype) if value.shape == () else "")
        if self.element is not None and value.shape == (self.count,):
            put_elements(data, self.itemsize, value, self.element, value.shape, where)
            return 0
        if value.size == 1:
            return self.put_single(data, value, where)
        raise self.misfit(value, where, "" if self.element is not None else f"{mixture(self)}: give a tuple")

    cdef int put_single(self, char *data, object value, Where *where) except -1:
        """A number, if there is exactly one element."""
        cdef Where inner
        cdef Field field
        cdef Format element
        if self.count != 1:
            advice = "a number is never spread over several fields"
            raise self.misfit(value, where, advice if isinstance(value, (int, float, complex, generic)) else "give a tuple")
        field = <Field>PyTuple_GET_ITEM(self.fields, 0)
        inner.up, inner.name = where, <PyObject *>field.name
        if field.kind == ARRAY:  # of one element
            element = Format.of(field.format.base)
            return element.put(data + field.offset, value, &inner)
        return field.format.put(data + field.offset, value, &inner)

    cdef bint put_buffer(self, char *data, object value) except -1:
        """Copy an array of exactly the elements and shape that are needed. False: it is not that."""
        cdef Py_buffer buffer
        cdef bint fits
        if Py_TYPE(value) != ndarray_type or characters_of(self.element_code)[0] == 0:
            return False
        try:
            PyObject_GetBuffer(value, &buffer, PyBUF_RECORDS_RO)
        except (BufferError, ValueError):
            return False
        fits = self.matches(&buffer)
        if fits:
            memmove(data, buffer.buf, buffer.len)
        PyBuffer_Release(&buffer)
        return fits

    cdef bint matches(self, Py_buffer *buffer) except -1:
        """Whether a buffer has our elements without gaps, and our shape: one row of them for a record."""
        cdef const char *characters = characters_of(self.element_code)
        cdef Py_ssize_t i
        cdef Py_ssize_t stride = buffer.itemsize
        if buffer.format == NULL or buffer.format[0] == 0 or buffer.format[1] != 0:
            return False  # no single native number
        if buffer.format[0] != characters[0] and buffer.format[0] != characters[1]:
            return False
        if buffer.itemsize * self.count != self.itemsize:
            return False
        if self.kind == STRUCTURED:
            return buffer.ndim == 1 and buffer.shape[0] == self.count and buffer.strides[0] == buffer.itemsize
        if buffer.ndim != PyTuple_GET_SIZE(self.shape):
            return False
        for i in range(buffer.ndim - 1, -1, -1):
            if buffer.shape[i] != <Py_ssize_t>self.shape[i] or buffer.strides[i] != stride:
                return False
            stride *= buffer.shape[i]
        return True

    cdef object misfit(self, object value, Where *where, str do):
        """The error for a value that is no record of this dtype."""
        needs = f"a record {dtypes.describe(self.dtype)}"
        if PyTuple_Check(value):
            needs = f"a tuple of {len(self.names)} ({', '.join(self.names)})"
        return values.misfit(path(where), needs, value, do)


cdef int put_elements(char *data, Py_ssize_t size, object value, object dtype, tuple shape, Where *where) except -1:
    """Write an array that NumPy converts."""
    if not (Py_TYPE(value) == ndarray_type and value.shape == shape and is_safe(value.dtype, dtype)):
        value = values.fit(value, dtype, shape, path(where))
    ndarray(shape, dtype, new_slot(data, size, False, None))[...] = value
    return 0


cdef bint is_safe(object found, object needed) except -1:
    """Numbers that all convert. (To NumPy an integer is safe as text and as a time, too.)"""
    return found.kind in "biufc" and needed.kind in "biufc" and np.can_cast(found, needed)


cdef Format make_format(object dtype):
    cdef Format format = Format.__new__(Format, _TOKEN)
    cdef Py_ssize_t i
    format.dtype, format.kind, format.itemsize = dtype, _KINDS[dtypes.kind(dtype)], dtype.itemsize
    if format.kind == OBJECT:
        return format
    runs = dtypes.runs(dtype)
    format.runs = <Py_ssize_t *>PyMem_Malloc(2 * len(runs) * sizeof(Py_ssize_t))
    if format.runs == NULL:
        raise MemoryError
    format.nruns = len(runs)
    for i in range(format.nruns):
        format.runs[2 * i], format.runs[2 * i + 1] = runs[i]
    leaves = list(_leaves(dtype, ""))
    if all([leaf[1] == leaves[0][1] for leaf in leaves]):
        format.element = leaves[0][1]
        format.element_code = code_of(format.element)
    format.count = count_of(dtype)
    if format.kind == ARRAY:
        format.base, format.shape = dtype.subdtype
    elif format.kind == SCALAR:
        format.code = code_of(dtype)
    else:
        make_fields(format)
    return format


cdef Py_ssize_t count_of(object dtype) except -1:
    """Elements in one item."""
    if dtype.subdtype is not None:
        return count_of(dtype.subdtype[0]) * int(np.prod(dtype.subdtype[1]))
    if dtype.names is None:
        return 1
    return sum([count_of(dtype.fields[name][0]) for name in dtype.names])


cdef int make_fields(Format format) except -1:
    """The fields, and the class whose attributes they are."""
    cdef Field field
    format.names = format.dtype.names
    format.by_name = {}
    members = {"__slots__": (), "__module__": "dfcore", "__doc__": f"A record {dtypes.describe(format.dtype)}."}
    for name in format.names:
        field = Field.__new__(Field)
        dtype, field.offset = format.dtype.fields[name][:2]
        field.name, field.format = name, Format.of(dtype)
        field.code, field.kind = field.format.code, field.format.kind
        format.by_name[name] = field
        if name.isidentifier() and not hasattr(Record, name) and not (name.startswith("__") and name.endswith("__")):
            members[name] = field
    format.fields = tuple(format.by_name.values())
    format.view_type = type("Record", (Record,), members)
    format.owner = <PyTypeObject *>format.view_type
    for field in format.fields:
        field.owner = format.owner
    return 0


# ----------------------------------------------------------------------------------------------------------------- records


@cython.final
cdef class Field:
    """A field as an attribute of its class of records."""

    def __get__(self, instance, owner):
        if Py_TYPE(instance) == self.owner:
            return (<Record>instance).read(self)
        if instance is None:
            return self
        raise TypeError(f"{self.name}: needed a record that has this field, was {type(instance).__name__}")

    def __set__(self, instance, value):
        if Py_TYPE(instance) != self.owner:
            raise TypeError(f"{self.name}: needed a record that has this field, was {type(instance).__name__}")
        (<Record>instance).write(self, value)

    def __delete__(self, instance):
        raise TypeError(f"{self.name}: a field cannot be deleted")


cdef Record new_record(Format format, Slot slot, char *data, str end, Record parent, Field field):
    cdef Record record = <Record>format.owner.tp_new(format.view_type, <PyObject *>_TOKEN_ARGS, NULL)
    record.format, record.slot, record.data, record.end = format, slot, data, end
    record.parent, record.field = parent, field
    return record


cdef object read_only(Record record):
    name = record.where()
    return TypeError(f"`{name}` is an input, read-only; use `.copy()`")


def fields_told(Record record, str name):
    """What fields there are, where `name` is none."""
    names = record.format.names
    return f"`{record.where()}` has the fields {', '.join(names)}, not {values.unknown_field(name, names)}"


cdef int not_set(Record record, object name) except -1:
    """Let the error of setting an attribute stand; but if there is no such field, say which there are."""
    if not PyErr_ExceptionMatches(AttributeError) or PyType_Lookup(Py_TYPE(record), name) != NULL:
        return -1
    PyErr_Clear()
    raise AttributeError(fields_told(record, name))


cdef object plain(object value):
    """An operand as NumPy takes it."""
    return (<Record>value).vector_of() if isinstance(value, Record) else value


@cython.c_api_binop_methods(True)  # an operator gets its operands in their order, either may be the record
@cython.no_gc_clear  # its slot and format are there until it is gone; no cycle goes through it alone
cdef class Record:
    """One record: its fields are attributes and items, in order; a mapping of their names. Read-only as an input.

    A scalar field is a copy; an array field is a view, a nested record refers to this one. Views are valid during the firing;
    whoever keeps one keeps the record's slot. If all elements have one type the record is a vector to NumPy. Made by `record`,
    and by the engine; has one class per dtype.
    """

    __array_priority__ = 1000.0  # array operators leave the work to ours, which have the vector at hand

    def __cinit__(self, token=None):
        if token is not _TOKEN:
            raise TypeError("Record: made by record(dtype, ...) only")

    cdef object read(self, Field field):
        if field.kind == SCALAR:
            return load_scalar(field.code, self.data + field.offset, field.format.itemsize, field.format.dtype)
        if field.kind == ARRAY:
            return self.whole()[field.name]
        return new_record(field.format, self.slot, self.data + field.offset, self.end, self, field)

    cdef int write(self, Field field, object value) except -1:
        cdef Where outer
        cdef Where inner
        cdef char *data = self.data + field.offset
        if self.slot.readonly:
            raise read_only(self)
        if field.kind == SCALAR and store_scalar(field.code, data, value, field.format.itemsize):
            return 0
        name = self.where()
        outer.up, outer.name = NULL, <PyObject *>name
        inner.up, inner.name = &outer, <PyObject *>field.name
        return self.assign(field.format, data, value, &inner)

    cdef int assign(self, Format format, char *data, object value, Where *where) except -1:
        """Store all of `value` or nothing: what takes several steps is put together elsewhere first."""
        cdef Slot whole
        if self.slot.readonly:
            raise read_only(self)
        if format.kind != STRUCTURED or isinstance(value, (Record, ndarray)):
            return format.put(data, value, where)
        whole = private_slot(format.itemsize)
        memcpy(whole.data, data, format.itemsize)
        format.put(whole.data, value, where)
        memcpy(data, whole.data, format.itemsize)
        return 0

    cdef object whole(self):
        """The root: what all array views of this record refer to, but the vector."""
        if self.root is None:
            if self.parent is None:
                self.root = ndarray((), self.format.dtype, self.slot)
            else:
                self.root = self.parent.whole()[self.field.name]
        return self.root

    cdef object vector_of(self):
        if self.elements is None:
            if self.format.element is None:
                raise TypeError(f"`{self.where()}`.vector: needed one type in all fields, was mixed: {mixture(self.format)}; "
                                "use `.array` or the fields")
            if self.parent is None:
                self.elements = ndarray((self.format.count,), self.format.element, self.slot)
            else:
                self.elements = self.whole().reshape(1).view(self.format.element)
        return self.elements

    cdef str where(self):
        if self.parent is None:
            return self.end
        return f"{self.parent.where()}.{self.field.name}"

    @property
    def vector(self):
        """1-D view of all elements, in order, if all have one type. Raises TypeError naming the first that differs."""
        return self.vector_of()

    @vector.setter
    def vector(self, value):
        if value is self.elements and value is not None:  # the end of `r.vector += x`
            return
        self.vector_of()
        self[...] = value

    @property
    def array(self):
        """0-d structured view."""
        return self.whole()

    def __array__(self, dtype=None, copy=None):
        found = self.whole() if self.format.element is None else self.vector_of()
        if dtype is not None and dtype != found.dtype:
            if copy is False:
                raise ValueError(f"`{self.where()}`: needed {dtype} without a copy, was {found.dtype}")
            return found.astype(dtype)
        return found.copy() if copy else found

    def copy(self):
        """A record of its own, writable."""
        cdef Slot slot = private_slot(self.format.itemsize)
        memcpy(slot.data, self.data, self.format.itemsize)
        return new_record(self.format, slot, slot.data, self.end, None, None)

    def item(self):
        """The values as a tuple, nested ones too; arrays are copies."""
        cdef Field field
        found = []
        for field in self.format.fields:
            value = self.read(field)
            if field.kind == ARRAY:
                value = value.copy()
            elif field.kind == STRUCTURED:
                value = value.item()
            found.append(value)
        return tuple(found)

    def keys(self):
        """The names of the fields."""
        return self.format.names

    def __len__(self):
        return len(self.format.names)

    def __iter__(self):
        return iter(self.format.names)

    def __contains__(self, name):
        return name in self.format.by_name

    def __getitem__(self, key):
        cdef PyObject *field
        if isinstance(key, str):
            field = PyDict_GetItem(self.format.by_name, key)
            if field != NULL:
                return self.read(<Field>field)
        raise self.no_field(key)

    def __setitem__(self, key, value):
        cdef PyObject *field
        cdef Where where
        if isinstance(key, str):
            field = PyDict_GetItem(self.format.by_name, key)
            if field == NULL:
                raise self.no_field(key)
            self.write(<Field>field, value)
        elif key is Ellipsis or isinstance(key, slice) and key == slice(None):
            name = self.where()
            where.up, where.name = NULL, <PyObject *>name
            self.assign(self.format, self.data, value, &where)
        else:
            raise self.no_field(key)

    def __setattr__(self, name, value):
        if generic_set(self, name, value) < 0:
            not_set(self, name)

    cdef object no_field(self, object key):
        if isinstance(key, str):
            return KeyError(fields_told(self, key))
        return TypeError(f"`{self.where()}`: needed the name of a field, was {values.was(key)}; use `.vector` for positions")

    def __richcmp__(self, other, int op):
        if isinstance(other, (ndarray, generic)):
            mine = self.whole() if other.dtype.names is not None or self.format.element is None else self.vector_of()
            return PyObject_RichCompare(mine, other, op)
        if op == Py_EQ:
            return self.equals(other)
        if op == Py_NE:
            return not self.equals(other)
        return PyObject_RichCompare(self.vector_of(), plain(other), op)

    cdef bint equals(self, object other) except -1:
        """Whether all fields are equal; those that a tuple or mapping would store."""
        cdef Record theirs
        cdef Field field
        if isinstance(other, Record):
            theirs = other
        elif isinstance(other, (tuple, Mapping)):
            try:
                theirs = record(self.format.dtype, other)
            except DtypeError:
                return False
        else:
            return False
        if theirs.format is not self.format:
            return False
        for field in self.format.fields:
            mine, other = self.read(field), theirs.read(field)
            if not (np.array_equal(mine, other) if field.kind == ARRAY else mine == other):
                return False
        return True

    def __hash__(self):
        raise TypeError(f"`{self.where()}`: a record is not hashable, its memory changes; use `.item()`")

    def __repr__(self):
        cdef Field field
        parts = []
        for field in self.format.fields:
            value = self.read(field)
            text = repr(value)
            if field.kind == ARRAY:
                text = np.array2string(value, separator=", ", threshold=20, max_line_width=10**6).replace("\n", "")
            parts.append(f"{field.name}={text}" if field.name.isidentifier() else f"{field.name!r}: {text}")
        return f"Record({', '.join(parts)})"

    def __reduce__(self):
        return restore, (self.format.dtype, self.format.clean(self.data))

    def __add__(left, right):
        return plain(left) + plain(right)

    def __sub__(left, right):
        return plain(left) - plain(right)

    def __mul__(left, right):
        return plain(left) * plain(right)

    def __truediv__(left, right):
        return plain(left) / plain(right)

    def __floordiv__(left, right):
        return plain(left) // plain(right)

    def __mod__(left, right):
        return plain(left) % plain(right)

    def __matmul__(left, right):
        return plain(left) @ plain(right)

    def __lshift__(left, right):
        return plain(left) << plain(right)

    def __rshift__(left, right):
        return plain(left) >> plain(right)

    def __and__(left, right):
        return plain(left) & plain(right)

    def __or__(left, right):
        return plain(left) | plain(right)

    def __xor__(left, right):
        return plain(left) ^ plain(right)

    def __divmod__(left, right):
        return divmod(plain(left), plain(right))

    def __pow__(left, right, modulus):
        return pow(plain(left), plain(right), modulus)

    def __neg__(self):
        return -self.vector_of()

    def __pos__(self):
        return +self.vector_of()

    def __abs__(self):
        return abs(self.vector_of())

    def __iadd__(self, other):
        return self.in_place(np.add, other)

    def __isub__(self, other):
        return self.in_place(np.subtract, other)

    def __imul__(self, other):
        return self.in_place(np.multiply, other)

    def __itruediv__(self, other):
        return self.in_place(np.true_divide, other)

    cdef object in_place(self, object operation, object other):
        vector = self.vector_of()
        if self.slot.readonly:
            raise read_only(self)
        operation(vector, plain(other), vector)
        return self


def record(dtype, value=None, **fields):
    """An own, writable record; fields not given are zero. For tests and initial values.

    Args:
        dtype: a structured dtype.
        value: the whole record: a `Record`, tuple, dict, array or number.
        fields: values by name.
    Raises:
        DtypeError: no structured dtype, or a value that does not fit; names the field.
    """
    cdef Format format = Format.of(dtype)
    cdef Record made
    if format.kind != STRUCTURED:
        raise DtypeError(f"record: needed a structured dtype, was {dtypes.describe(format.dtype)}; name its fields")
    made = made_of(format, "record")
    if value is not None:
        made[...] = value
    for name, field in fields.items():
        if name not in format.by_name:
            raise no_such(format, "record", name)
        made[name] = field
    return made


cdef Record made_of(Format format, str end):
    cdef Slot slot = private_slot(format.itemsize)
    return new_record(format, slot, slot.data, end, None, None)


def record_at(dtype, value, str where):
    """`value` as an own record; the error if it does not fit calls it `where`. `dtype` is structured."""
    cdef Record made = made_of(Format.of(dtype), where)
    made[...] = value
    return made


def restore(dtype, data):
    """The record that was pickled."""
    return Format.of(dtype).unpack(data)


# ------------------------------------------------------------------------------------------------------------- kept or not


def kept(list holder):
    """`extra_references` of the view that `holder`, a list of one, holds for the engine."""
    return extra_references(PyList_GET_ITEM(holder, 0)) if holder else 0
