"""Graphs of numerical nodes over records in shared memory.

A node fires when all its inputs are ready, in processes pinned to cores, on NumPy structured records that are never serialised;
the same graph runs in virtual time, in one process, the same every time.
"""

from ._record import Record as Record
from ._record import record as record
from .door import Graph as Graph
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
from .top import default_graph as default_graph
from .top import top_graph as top_graph
