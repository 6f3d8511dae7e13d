# cython: language_level=3, embedsignature=True, auto_pickle=False, autotestdict=False
"""What a process may ask of Linux and Python's `os` does not offer: two system calls, and a handler that needs no interpreter.

Law: a process whose parent died ends, even if it hangs in native code or holds the GIL. Either the kernel sends SIGTERM, and its
handler here starts an alarm that nobody catches: until then there is time for a safe output; or the kernel kills it at once.
"""

from cpython.exc cimport PyErr_SetFromErrno
from libc.signal cimport SIGALRM, SIGKILL, SIGTERM
from libc.stdint cimport int64_t, uintptr_t
from posix.signal cimport SIG_UNBLOCK, sigaction, sigaction_t, sigaddset, sigemptyset, sigprocmask, sigset_t
from posix.unistd cimport alarm, getppid, pid_t

from dfcore._bell cimport df_run_word, df_tell

cdef extern from "<signal.h>" nogil:
    enum: SA_RESTART

cdef extern from "<sys/prctl.h>" nogil:
    int prctl(int option, unsigned long argument, unsigned long, unsigned long, unsigned long)
    enum: PR_SET_PDEATHSIG

cdef extern from "<sys/mman.h>" nogil:
    int mlockall(int flags)
    enum: MCL_CURRENT, MCL_FUTURE, MCL_ONFAULT

cdef extern from *:
    """
    static volatile pid_t df_parent;
    static volatile unsigned df_grace_s;
    static df_run_word *volatile df_word;
    static volatile int64_t df_value;
    """
    pid_t df_parent
    unsigned int df_grace_s
    df_run_word *df_word
    int64_t df_value


cdef void on_terminate(int signal) noexcept nogil:
    """SIGTERM of a parent that is gone starts the alarm; any other one went to the whole group, and the parent answers it."""
    if getppid() != df_parent:
        alarm(df_grace_s)
        if df_word != NULL:
            df_tell(df_word, df_value)


def die_with_parent(pid_t parent, unsigned int grace_s):
    """Whether the process `parent` is still there; from now on this process dies at most `grace_s` seconds after it.

    SIGTERM has no other effect any more. Subprocesses start with its default again.
    """
    global df_parent, df_grace_s
    cdef sigaction_t action
    cdef sigset_t set
    df_parent, df_grace_s = parent, grace_s
    sigemptyset(&action.sa_mask)
    action.sa_flags = SA_RESTART
    action.sa_handler = on_terminate
    sigaction(SIGTERM, &action, NULL)
    if prctl(PR_SET_PDEATHSIG, SIGTERM, 0, 0, 0) < 0:
        PyErr_SetFromErrno(OSError)
    sigemptyset(&set)
    sigaddset(&set, SIGTERM)
    sigaddset(&set, SIGALRM)
    sigprocmask(SIG_UNBLOCK, &set, NULL)
    return getppid() == parent  # it may have died before the kernel was asked to tell


def killed_with_parent(pid_t parent):
    """Whether the process `parent` is still there; from now on the kernel kills this process at once when it dies."""
    if prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0:
        PyErr_SetFromErrno(OSError)
    return getppid() == parent


def write_when_orphaned(uintptr_t address, int64_t value):
    """Have the word at `address` become `value` when the parent dies: what is always busy looks at nothing else. 0: no word."""
    global df_word, df_value
    df_value = value
    df_word = <df_run_word *>address


def lock_memory():
    """Keep every page of this process that was touched once, now or later, in memory. `OSError` where it may not."""
    if mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) < 0:
        PyErr_SetFromErrno(OSError)
