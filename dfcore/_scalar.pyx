# cython: language_level=3, embedsignature=True, auto_pickle=False, autotestdict=False
"""One scalar in memory: the bytes of a number, text or time, to and from a Python value.

Laws: what is read is a copy; what is written is of the same kind and within range, or nothing is written and `values` says why.
Knows nothing of fields, records or slots. Types that Python has not are left to NumPy, through its Python interface.
"""

import numpy as np

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_CheckExact, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.complex cimport PyComplex_FromDoubles
from cpython.float cimport PyFloat_AS_DOUBLE, PyFloat_Check, PyFloat_FromDouble
from cpython.long cimport PyLong_AsUnsignedLongLong, PyLong_CheckExact
from cpython.object cimport Py_TYPE, PyTypeObject
from cpython.unicode cimport PyUnicode_Check, PyUnicode_GET_LENGTH
from libc.math cimport isinf
from libc.stdint cimport int8_t, int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

cdef extern from "Python.h":
    long long PyLong_AsLongLongAndOverflow(object, int *) except? -1
    double PyFloat_Unpack2(const char *, int) except? -1.0
    object PyUnicode_FromKindAndData(int, const void *, Py_ssize_t)
    Py_UCS4 *PyUnicode_AsUCS4(object, Py_UCS4 *, Py_ssize_t, int) except NULL
    int PY_LITTLE_ENDIAN

cdef object ndarray = np.ndarray
cdef PyTypeObject *ndarray_type = <PyTypeObject *>np.ndarray

cdef dict _CODES = {
    "f8": F8, "f4": F4, "f2": F2, "i8": I8, "i4": I4, "i2": I2, "i1": I1, "u8": U8, "u4": U4, "u2": U2, "u1": U1, "b1": B1,
    "c16": C16, "c8": C8, "S": S, "U": U, "V": V,
}
cdef const char **_CHARACTERS = [b"", b"d", b"f", b"lq", b"i", b"h", b"b", b"LQ", b"I", b"H", b"B", b"?"]

# What makes a Python value of NumPy's scalars that have one of the same kind. (A timedelta64 is an integer to `issubclass`, and
# its `.item()` is one too: it is not here.)
cdef dict _PYTHON = {
    np.dtype(code).type: python
    for codes, python in [("?", bool), ("bhilqBHILQ", int), ("efd", float), ("FD", complex), ("S", bytes), ("U", str)]
    for code in codes
}


cdef int code_of(object dtype) except -1:
    """How scalars of a native dtype are read and written; 0: through NumPy."""
    return _CODES.get(dtype.kind if dtype.kind in "SUV" else dtype.str[1:], 0)


cdef const char *characters_of(int code) noexcept:
    """The format characters that the buffer protocol has for a native number; none for other types."""
    return _CHARACTERS[code if F8 <= code <= B1 else 0]


cdef object python_value(object value):
    """A NumPy scalar or one-element array as the Python value of the same kind; None if it is no such thing."""
    if Py_TYPE(value) == ndarray_type:
        return value.item() if value.size == 1 and value.dtype.type in _PYTHON else None
    python = _PYTHON.get(<object>Py_TYPE(value))
    return None if python is None else python(value)


cdef object load_rare(int code, const char *data, Py_ssize_t size, object dtype):
    """The scalar at `data` as Python has it: a copy."""
    if code == U1:
        return (<const uint8_t *>data)[0]
    if code == U2:
        return (<const uint16_t *>data)[0]
    if code == U4:
        return (<const uint32_t *>data)[0]
    if code == U8:
        return (<const uint64_t *>data)[0]
    if code == I1:
        return (<const int8_t *>data)[0]
    if code == I2:
        return (<const int16_t *>data)[0]
    if code == F2:
        return PyFloat_FromDouble(PyFloat_Unpack2(data, PY_LITTLE_ENDIAN))
    if code == C16:
        return PyComplex_FromDoubles((<const double *>data)[0], (<const double *>data)[1])
    if code == C8:
        return PyComplex_FromDoubles((<const float *>data)[0], (<const float *>data)[1])
    return load_text(code, data, size, dtype)


cdef object load_text(int code, const char *data, Py_ssize_t size, object dtype):
    cdef const uint32_t *characters = <const uint32_t *>data
    cdef Py_ssize_t n
    if code == S:
        while size and data[size - 1] == 0:
            size -= 1
        return PyBytes_FromStringAndSize(data, size)
    if code == U:
        n = size // 4
        while n and characters[n - 1] == 0:
            n -= 1
        return PyUnicode_FromKindAndData(4, data, n)
    if code == V:
        return PyBytes_FromStringAndSize(data, size)
    return ndarray((), dtype, PyBytes_FromStringAndSize(data, size))[()]


cdef bint store_rare(int code, char *data, object value, Py_ssize_t size) except -1:
    """Write a scalar that is no f8 if it fits. False: nothing was written."""
    cdef double number
    if I8 <= code <= U1:
        return PyLong_CheckExact(value) and store_integer(code, data, value)
    if code == F4:
        if not PyFloat_Check(value):
            return False
        number = PyFloat_AS_DOUBLE(value)
        if isinf(<float>number) and not isinf(number):
            return False
        (<float *>data)[0] = <float>number
        return True
    if code == B1:
        if value is not True and value is not False:
            return False
        data[0] = value is True
        return True
    return store_text(code, data, value, size)


cdef bint store_integer(int code, char *data, object value) except -1:
    cdef int overflow = 0
    cdef long long number = PyLong_AsLongLongAndOverflow(value, &overflow)
    if code == U8:
        if overflow < 0 or number < 0 and not overflow:
            return False
        try:
            (<uint64_t *>data)[0] = PyLong_AsUnsignedLongLong(value)
        except OverflowError:
            return False
        return True
    if overflow:
        return False
    if code == I8:
        (<int64_t *>data)[0] = number
    elif code == I4 and number == <int32_t>number:
        (<int32_t *>data)[0] = <int32_t>number
    elif code == I2 and number == <int16_t>number:
        (<int16_t *>data)[0] = <int16_t>number
    elif code == I1 and number == <int8_t>number:
        (<int8_t *>data)[0] = <int8_t>number
    elif code == U4 and number == <uint32_t>number:
        (<uint32_t *>data)[0] = <uint32_t>number
    elif code == U2 and number == <uint16_t>number:
        (<uint16_t *>data)[0] = <uint16_t>number
    elif code == U1 and number == <uint8_t>number:
        (<uint8_t *>data)[0] = <uint8_t>number
    else:
        return False
    return True


cdef bint store_text(int code, char *data, object value, Py_ssize_t size) except -1:
    cdef Py_ssize_t n
    if code == S and PyBytes_CheckExact(value):
        n = PyBytes_GET_SIZE(value)
        if n > size:
            return False
        memcpy(data, PyBytes_AS_STRING(value), n)
        memset(data + n, 0, size - n)
        return True
    if code == U and PyUnicode_Check(value):
        n = PyUnicode_GET_LENGTH(value)
        if 4 * n > size:
            return False
        PyUnicode_AsUCS4(value, <Py_UCS4 *>data, n, 0)
        memset(data + 4 * n, 0, size - 4 * n)
        return True
    return False
