"""Build the native core. Everything else about the package lives in pyproject.toml."""

import os
import pathlib
import shlex
import subprocess
import sys
import sysconfig
import tempfile

from setuptools import Extension, setup

CORE = pathlib.Path("dfcore")
FLAGS = ["-O3", "-fno-plt", "-fno-semantic-interposition", "-Wall", "-Wextra", "-Wno-unused-function", "-Wno-cast-function-type", "-Wno-unused-parameter"]
# A firing passes through a dozen small functions: one piece of code is a tenth faster (`python -m benchmarks chain`).
FLAT = {"_scheduler": ["-finline-limit=1500", "--param=large-function-growth=2000", "--param=inline-unit-growth=300"]}
TRACE = os.environ.get("DFCORE_TRACE") == "1"  # line tracing, so that coverage sees .pyx files


def missing() -> str | None:
    """What a build needs and this machine has not, as one sentence; None when nothing is missing."""
    compiler = os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc"
    with tempfile.TemporaryDirectory() as folder:
        source = pathlib.Path(folder, "probe.c")
        for text, sentence in [
            ("int probe;", f"needs a C compiler, `{compiler}` does not work; install one (Debian: apt install gcc libc6-dev)."),
            ("#include <Python.h>", "needs Python's C headers; install them (Debian: apt install python3-dev)."),
        ]:
            source.write_text(text + "\n")
            command = [*shlex.split(compiler), "-c", str(source), "-o", str(source.with_suffix(".o"))]
            try:
                subprocess.run([*command, "-I", sysconfig.get_path("include")], check=True, capture_output=True)
            except (OSError, subprocess.CalledProcessError):
                return f"dfcore: {sentence}"
    return None


if not sys.platform.startswith("linux"):
    sys.exit("dfcore: needs Linux (memfd, eventfd, pidfd); this is " + sys.platform + ".")
builds = {"build_ext", "bdist_wheel", "editable_wheel", "develop", "install"} & set(sys.argv)
if builds and (sentence := missing()):
    sys.exit(sentence)

setup(
    ext_modules=[
        Extension(
            f"dfcore.{path.stem}",
            [str(path)],
            depends=sorted(map(str, [*CORE.glob("*.h"), *CORE.glob("*.pxd")])),
            include_dirs=["dfcore"],
            define_macros=[("CYTHON_TRACE_NOGIL", "1"), ("CYTHON_USE_SYS_MONITORING", "0")] if TRACE else [],
            extra_compile_args=FLAGS + FLAT.get(path.stem, []),
        )
        for path in sorted(CORE.glob("*.pyx"))
    ],
    options={"build_ext": {"cython_directives": {"linetrace": TRACE}}},
)
