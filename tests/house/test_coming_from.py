"""The page "Coming from" and its short table in the README: every name of the four ancestors is there, every name on our side is ours."""

from __future__ import annotations

import builtins
import inspect
import keyword
import pathlib
import re
from collections.abc import Iterator
from typing import Any

import pytest

import dfcore
import dfcore.pipes
import sim
from dfcore.declared import EDGE_OPTIONS, NODE_OPTIONS
from dfcore.graph import CONTEXT_OPTIONS
from dfcore.node import METHODS, PUBLIC

ROOT = pathlib.Path(__file__).parents[2]
SHORT = (ROOT / "README.md").read_text().split("\n## Coming from\n", 1)[1].split("\n## ", 1)[0]
PAGE = (ROOT / "docs" / "coming_from.md").read_text()
NAME = re.compile(r"[A-Za-z_]\w*")

#: What the four systems export: classes, functions, methods and options that their documentation or `__init__` shows, but names of
#: Python's (`get`, `set`), of arguments without a meaning of their own (`x`, `value`), and device or model blocks of reip.
NAMES = {
    "ndgpy": """AFSharedMemoryManager ArraySource Clock Collector Constant Context ContextWorker Emitter FiniteEmitter InBranch
        Integrator Lambda Layout Noise OutBranch Parametrized ParametrizedLambda Pipe Publisher Resource Resourced Router SharedArray
        SharedEmitter SharedMemory SharedRouter SharedStreamingArray SharedStreamingDataFrame SharedStruct Signal SingleCollector
        SingleEmitter StreamingArray StreamingDataFrame Struct Subscriber TestLayout Throughput Trigger WriteMode Writer add advance
        buffer_size clear_context compute connect consume copy copy_node create_edges ctx_worker deserialize deserialize_data
        destroy_context disconnect dtype emit_every exec_loop finished flat flatten from_dict from_pure get_avail_cpus get_col get_im
        get_re get_resources get_ser_dtype head_index init_params is_empty is_ready item length link listen main merge names
        new_context notify now numpy param_bounds parameterize params params_lb params_ub receives_from recv_loop remove reset_flags
        rspec run sends_to serialize set setup start stop to_dict to_pure trigger unlink will_reshuffle wire_pickle wire_unpickle""",
    "reip": """ArrowQueue BaseStore Block Counter Customer Graph ParameterError PlasmaStore Pointer Producer Queue QueueCustomer
        QueueStore RunExit SharedCounter SharedPointer Sink Source Store Stream Task Token add all_exceptions all_strategy as_default
        asbasic asbasiccontext asbasicmeta asblock ascontext asmulti asmultimeta asout auto_next block_state_name blocking clear close
        context_func data default default_graph define delete_rate detached done empty error extra_kw extra_meta finish from_block
        from_block_sources full gen_source get get_graph get_object graph graph_function handlers index init input_modifiers join last
        latest_strategy log_exception log_level max_processed max_rate meta min_interval modifiers moment n_inputs n_outputs name
        nowait output_stream parents pause poll print_summary process process_func put put_nowait queue raise_exception ready
        register_instance remove remove_extra_sources restore_previous resume retry run run_scope running set_block_sink_count
        set_block_source_count short_str sinks skip skip_strategy skipped source_strategy sources spawn stats stats_interval
        stats_summary status strategy streamer summary terminate terminated throughput to top_graph wait wait_until_ready wrap_process
        CLOSE TERMINATE RETRY NEXT BLANK UNSET SOURCE_TOKENS Iterator Interval Time Meta Glob AsDict Constant Increment Debug Results
        Lambda Interleave Separate Gather Rebuffer FastRebuffer GatedRebuffer temporal_coverage Streamer Synchronize Mic find_device
        SPL Stft AudioFile Specshow ExampleAudio Csv Tar TarGz Shell ShellProcess Watch Created Modified Deleted Moved DiskMonitor
        Video VideoWriter GStreamer Tflite TwoStageEncrypt TwoStageDecrypt UploadFile UploadJSON reboot suppress heartrate
        lineprofile Stopwatch""",
    "minipipe": """Logger Pipe PipeLine PipeSystem Regulator Sentinel Sink Source Stream Transform add add_pipe_in add_pipe_out
        buffer_size build capacity close diagram downstreams draw_streams empty flush full functor_obj get get_downstreams
        get_upstreams ignore_exceptions init_kwargs local_init local_term log log_lvl monitor n_processes name public_vars put reset
        run run_functor run_pipe set_downstreams set_global_term_flag set_logger set_term_flag set_upstreams term_flag timeout
        upstreams""",
    "tinypl": """map each filter flatten flatten_eager flatten_lazy thread process partition order marker ratelimit unpack dataloader
        queue mutex workers maxsize save load insert_periodic on until consume split_on_marker markers MarkerNotAllowedException
        SharedMemoryRingBuffer write read close num_stored_items free_ratio allow_pickle verbose readwrite RWLock input_workers
        input_maxsize start_timeout end_timeout warn_timeout start_method on_worker_error multiprocessing_context force_single_thread
        fill input_fill stop WorkerException WorkerStartTimeoutException WorkerEndTimeoutException ExceptionSignal StopSignal Pipe
        LazyFlattenedPipe EagerFlattenedPipe IteratorPipe Item Marker wrap unwrap print_on_item sampler sequential shuffle batchsize
        collate_fn collate_map epoch_end_mode""",
}
#: Names that a reader chooses, in examples.
CHOSEN = """a b c f g h m n p r x y xs node graph report error record value values dtype iterable name gain pair arm observer seconds
    duration_s delay_s total readout pl dfcore sim examples ancestors probe microphone py log"""
ELSEWHERE = {"os", "sched_getaffinity", "asyncio", "sleep", "logging", "getLogger", "Annotated", "i8", "f8"}


def parts(thing: Any, depth: int = 2) -> Iterator[str]:
    """The public names in a module or class, the parameters of what can be called, and the fields of what is a record."""
    for name in dir(thing):
        if name.startswith("_"):
            continue
        yield name
        member = getattr(thing, name, None)
        if inspect.ismodule(member) and not member.__name__.startswith("dfcore.pipes"):
            continue
        if depth and (inspect.isclass(member) or inspect.ismodule(member)):
            yield from parts(member, depth - 1)
        if callable(member):
            try:
                yield from inspect.signature(member).parameters
            except (TypeError, ValueError):
                continue
    for owner in inspect.getmro(thing) if inspect.isclass(thing) else ():
        yield from getattr(owner, "__annotations__", {})


def vocabulary() -> set[str]:
    """Every name that may stand on our side."""
    ours = {name for module in (dfcore, dfcore.pipes, sim) for name in parts(module)}
    report = {name for thing in vars(dfcore.stats).values() if inspect.isclass(thing) for name in parts(thing)}
    options = {*EDGE_OPTIONS, *NODE_OPTIONS, *CONTEXT_OPTIONS, *METHODS, *PUBLIC}
    return ours | report | options | set(CHOSEN.split()) | ELSEWHERE | set(dir(builtins)) | set(keyword.kwlist) | {"self", "__init__"}


def said() -> str:
    """What the docstrings say, for the values of options."""
    emitter, graph = dfcore.Emitter, dfcore.Graph
    things = [emitter.options, emitter.to, graph.context, graph.run, graph.diagram, dfcore.pipes.Loader]
    return "\n".join(thing.__doc__ for thing in things)


def rows() -> list[tuple[str, str, str]]:
    """System, there, here."""
    found, system = [], "everywhere"
    for line in (SHORT + PAGE).splitlines():
        if heading := re.match(r"## (.*)", line):
            system = heading[1]
        if line.startswith("|") and "---" not in line and line != "| there | here |":
            there, here = re.split(r"(?<!\\)\|", line)[1:3]
            found.append((system, there, here))
    return found


def code(cell: str) -> list[str]:
    """The code in a cell."""
    return re.findall(r"`([^`]+)`", cell)


def test_the_tables_are_there():
    """Eight systems, and what they have in common."""
    systems = list(dict.fromkeys(system for system, _, _ in rows()))
    assert ["everywhere", "ndgpy", "reip", "minipipe", "tinypl", "ezmsg", "csp", "dora", "ROS 2"] == systems


@pytest.mark.parametrize("system", NAMES)
def test_every_name_of_an_ancestor_is_translated(system):
    """Each public name stands on the left side of its table."""
    left = {name for there, side, _ in rows() if there == system for piece in code(side) for name in NAME.findall(piece)}
    assert set() == set(NAMES[system].split()) - left


def test_every_name_on_our_side_exists():
    """What the right side writes as code is made of our names, Python's, and names that a reader chooses."""
    known, told, wrong = vocabulary(), said(), []
    for system, _, here in rows():
        for piece in code(here):
            strings = re.findall(r'"([^"]*)"', piece)
            names = NAME.findall(re.sub(r'"[^"]*"', "", piece))
            strange = [text for text in strings if f'"{text}"' not in told and set(NAME.findall(text)) - known]
            wrong += [f"{system}: `{piece}`: {name}" for name in [*strange, *(name for name in names if name not in known)]]
    assert [] == wrong
