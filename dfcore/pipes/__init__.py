"""Lazy pipelines: stages over any iterable, pulled one item at a time, with threads and processes where asked for.

The functions take the pipe first and return a pipe; a pipe has them as methods, so `map(xs, f)` is `pipe(xs).map(f)`.
"""

from . import marker as marker
from . import order as order
from . import process as process
from . import thread as thread
from .functions import each as each
from .functions import filter as filter
from .functions import flatten as flatten
from .functions import map as map
from .functions import partition as partition
from .functions import ratelimit as ratelimit
from .functions import take as take
from .functions import tee as tee
from .given import Marker as Marker
from .loader import Loader as Loader
from .loader import sequential as sequential
from .loader import shuffled as shuffled
from .loader import stack as stack
from .stage import Pipe as Pipe
from .stage import pipe as pipe
