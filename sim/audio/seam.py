"""Where the real sounddevice meets PortAudio: the library that it calls.

Laws. `sounddevice._lib` asks who calls: a task of the open world gets the PortAudio of that world; anybody else gets the real
library if this machine has one, and else a PortAudio without devices. A stream is always answered by the library that opened
it, so that one left from a world that is over is nobody's, and never a pointer for the real library. What a program sets in `sounddevice.default` in a
world does not outlive it: a device there is a number of that world. This is arranged when
sounddevice is imported, which succeeds on a machine without PortAudio too. A program that never imports sounddevice pays
nothing.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Iterable, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..timeline import Timeline
    from .host import Host
    from .portaudio import PortAudio

NAME = "sounddevice"
LIBRARY = "portaudio"
STAND_IN = "simulated PortAudio"  # the path of ours, where there is no real one

world: Timeline | None = None  # the open one
library: PortAudio | None = None  # of the open world, once somebody needs it
put_back: Callable[[], None] | None = None  # the defaults of a sounddevice that was there before the open world


# what a world does ----------------------------------------------------------------------------------------------------------


def patches(opened: Timeline) -> Iterable[tuple[Any, str, Any]]:
    """What to replace, as (object, name, value), while `opened` is open."""
    here, driver = sys.modules[__name__], _driver()
    yield here, "world", opened
    yield here, "library", None
    yield here, "put_back", None if driver is None else _keep_defaults(driver.default)
    yield sys, "unraisablehook", _unraisablehook(opened, sys.unraisablehook)
    if driver is not None:  # what it remembers between calls
        yield driver, "_last_callback", None
        yield driver, "_initialized", driver._initialized


def _unraisablehook(opened: Timeline, real: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """A callback that waits when the world ends is ended by SystemExit: nobody needs to hear of it from cffi."""

    def unraisablehook(args: Any) -> Any:
        if not (opened.kernel.closing and args.exc_type is SystemExit and opened.member()):
            return real(args)

    return unraisablehook


def close_streams() -> None:
    """Close what was left open, and have sounddevice forget it."""
    if library is not None:
        library.close_streams()
    driver = _driver()
    if driver is not None:
        driver._last_callback, driver._initialized = None, 1
        (put_back or driver.default.reset)()


def _keep_defaults(default: Any) -> Callable[[], None]:
    """A function that sets `sounddevice.default` to what it is now."""
    pairs = {name: tuple(getattr(default, name)._pair) for name in default._pairs}
    others = {name: value for name, value in vars(default).items() if name not in pairs}

    def back() -> None:
        default.reset()
        for name, value in (*pairs.items(), *others.items()):
            setattr(default, name, value)

    return back


def _driver() -> Any:
    """The sounddevice that calls us, if it was imported."""
    driver: Any = sys.modules.get(NAME)
    return driver if isinstance(getattr(driver, "_lib", None), Dispatcher) else None


def host_of(opened: Timeline, where: str) -> Host:
    """The sound cards of a world. Raises ModuleNotFoundError: there is no sounddevice, named after `where`."""
    if importlib.util.find_spec(NAME) is None:
        raise ModuleNotFoundError(f"{where}: needed sounddevice, was not installed; do `pip install 'dfcore[audio]'`", name=NAME)
    from .host import Host

    return Host(opened)


def _library_of(opened: Any, *, initialized: int = 1) -> PortAudio:
    global library
    if library is None:
        from .portaudio import PortAudio

        library = PortAudio(opened.sound, initialized)
    return library


# what sounddevice calls -----------------------------------------------------------------------------------------------------


class Dispatcher:
    """What `sounddevice._lib` is: each function goes to the library that the caller means.

    Args:
        ffi: of sounddevice.
        real: the library that it loaded; None: it did not, and it is done when somebody outside a world needs it.
    """

    def __init__(self, ffi: Any, real: Any = None) -> None:
        self._ffi, self._real = ffi, real
        self._constants = ffi.dlopen(None)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("Pa_"):
            value: Any = self._function(name)
        elif name.startswith("pa"):
            value = getattr(self._constants, name)
        else:
            return getattr(self._choose(), name)
        setattr(self, name, value)
        return value

    def _function(self, name: str) -> Callable[..., Any]:
        about_stream = "Stream" in name and not name.startswith("Pa_Open")
        choose = self._choose_by_stream if about_stream else self._choose

        def function(*args: Any) -> Any:
            return getattr(choose(*args), name)(*args)

        function.__name__ = name
        return function

    def _choose(self, *_: Any) -> Any:
        return _library_of(world) if world is not None and world.member() else self._outside()

    def _choose_by_stream(self, stream: Any, *_: Any) -> Any:
        from .portaudio import HANDLES, PortAudio

        address = int(self._ffi.cast("uintptr_t", stream))
        if not address:
            return self._choose()
        if address < HANDLES:
            return self._outside()
        return _library_of(world) if world is not None and world.member() else PortAudio()

    def _outside(self, *, initialize: bool = True) -> Any:
        """The library that this machine has; one without devices if it has none."""
        if self._real is None:
            from .portaudio import PortAudio

            path = _find_portaudio()
            self._real = PortAudio(None, 0) if path is None else self._ffi.dlopen(path)
            if initialize:
                self._real.Pa_Initialize()
        return self._real

    def Pa_Initialize(self) -> int:
        """Begin, for the library that the caller means."""
        inside = world is not None and world.member()
        before = getattr(sys.modules.get(NAME), "_initialized", 0)  # by sounddevice; 0 while it is being imported
        chosen = _library_of(world, initialized=before) if inside else self._outside(initialize=False)
        code: int = chosen.Pa_Initialize()
        return code

    def Pa_Terminate(self) -> int:
        """End, for the library that the caller means."""
        if (world is None or not world.member()) and self._real is None:
            return 0
        code: int = self._choose().Pa_Terminate()
        return code


# how it gets there ----------------------------------------------------------------------------------------------------------


def install() -> None:
    """Be there when sounddevice is imported, or was."""
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())
    driver: Any = sys.modules.get(NAME)
    if isinstance(driver, ModuleType) and hasattr(driver, "_lib"):  # else a program has put something of its own there
        _adopt(driver)


def _adopt(driver: Any) -> None:
    if not isinstance(driver._lib, Dispatcher):
        driver._lib = Dispatcher(driver._ffi, driver._lib)


class _Finder(MetaPathFinder):
    """Finds sounddevice where it is, and puts a loader of our own before the real one."""

    def find_spec(self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> ModuleSpec | None:
        if name != NAME:
            return None
        others = (finder for finder in sys.meta_path if finder is not self and hasattr(finder, "find_spec"))
        spec = next((spec for finder in others if (spec := finder.find_spec(name, path, target)) is not None), None)
        if spec is not None and spec.loader is not None:
            spec.loader = _Loader(spec.loader)
        return spec


class _Loader(Loader):
    """Runs the module as it is, with our library in place of PortAudio."""

    def __init__(self, real: Any) -> None:
        self._real = real

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        made: ModuleType | None = self._real.create_module(spec)
        return made

    def exec_module(self, module: Any) -> None:
        module.__loader__ = module.__spec__.loader = self._real
        if world is None or not world.member():
            try:
                self._real.exec_module(module)
            except OSError:
                if _find_portaudio() is not None:
                    raise
            else:
                _adopt(module)
                return
        _exec_without_portaudio(self._real, module)


def _find_portaudio() -> str | None:
    import ctypes.util  # here, because a program of serial ports needs none of it

    path = ctypes.util.find_library(LIBRARY)
    return None if path == STAND_IN else path


def _exec_without_portaudio(loader: Any, module: Any) -> None:
    import ctypes.util

    import _sounddevice

    real_ffi, real_find = _sounddevice.ffi, ctypes.util.find_library
    ctypes.util.find_library = lambda name: STAND_IN if name == LIBRARY else real_find(name)
    _sounddevice.ffi = _Ffi(real_ffi)
    try:
        loader.exec_module(module)
    finally:
        _sounddevice.ffi = real_ffi
        ctypes.util.find_library = real_find
    module._ffi = real_ffi


class _Ffi:
    """The ffi of sounddevice while that is being imported: it loads our library."""

    def __init__(self, real: Any) -> None:
        self._real = real

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def dlopen(self, name: str) -> Dispatcher:
        return Dispatcher(self._real)
