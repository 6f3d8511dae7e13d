"""Graphs of numerical nodes over records in shared memory.

A node fires when all its inputs are ready, in processes pinned to cores, on NumPy structured records that are never serialised;
the same graph runs in virtual time, in one process, the same every time.
"""

import sys as _sys
from typing import TYPE_CHECKING as _TYPE_CHECKING

from ._record import Record as Record
from ._record import record as record
from .errors import ContextDied as ContextDied
from .errors import DeviceError as DeviceError
from .errors import DfcoreError as DfcoreError
from .errors import DtypeError as DtypeError
from .errors import GraphError as GraphError
from .errors import InternalError as InternalError
from .errors import NodeFailed as NodeFailed
from .errors import RecordLost as RecordLost
from .functions import collector as collector
from .functions import emitter as emitter
from .functions import router as router
from .node import Collector as Collector
from .node import Emitter as Emitter
from .node import Router as Router
from .ready import collect as collect
from .ready import emit as emit
from .relays import merge as merge
from .relays import share as share
from .sentinels import SKIP as SKIP
from .sentinels import STOP as STOP
from .signature import Bounds as Bounds
from .stats import Report as Report

if _TYPE_CHECKING or "dfcore-nodes" not in _sys._xoptions:
    from .door import Graph as Graph
    from .top import default_graph as default_graph
    from .top import top_graph as top_graph
else:  # a process of nodes: what declares and supervises graphs would be a quarter of its start, and comes when somebody asks for it
    from importlib import import_module as _import_module

    _LATER = {"Graph": ".door", "default_graph": ".top", "top_graph": ".top"}
    __all__ = [*(_name for _name in dir() if not _name.startswith("_")), *_LATER]  # noqa: PLE0604 - for `import *`

    def __getattr__(name: str) -> object:
        if name not in _LATER:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(_import_module(_LATER[name], __name__), name)
