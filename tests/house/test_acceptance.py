"""The acceptance rows A1 to A32, each with the tests that prove it and the drivers under which they run.

A row runs inline, in threads and in processes; one about loss or timing in threads and processes, and where its values are exact in
virtual time. What needs no driver (lazy pipelines, a program of its own) has none.
"""

from __future__ import annotations

import ast
import pathlib
import re
from collections.abc import Iterator

import pytest

from tests.drivers import KINDS

ROOT = pathlib.Path(__file__).parents[2]
EVERYWHERE, SPREAD, PROCESSES = "inline threads processes", "threads processes", "processes"

#: Row: (drivers under which it runs, the tests that prove it).
ROWS = {
    "A1": (EVERYWHERE, "test_a1_three_spellings_one_graph test_a1_three_spellings_have_one_picture"),
    "A2": (EVERYWHERE, "test_a2_graphs_nest"),
    "A3": (EVERYWHERE, "test_a3_two_inputs_two_outputs_and_metadata"),
    "A4": (EVERYWHERE, "test_a4_each_reader_gets_every_record test_a4_share_gives_each_record_to_one_reader"),
    "A5": (EVERYWHERE, "test_a5_drain_through_nodes_that_block test_a5_drain_through_nodes_that_await"),
    "A6": (EVERYWHERE, """test_a6_arrays_reach_the_caller_in_order_and_read_only
        test_a6_arrays_reach_another_process_and_the_caller"""),
    "A7": (SPREAD, "test_a7_a_full_edge_holds_the_writer_back test_a7_dropping_is_a_choice_and_counted"),
    "A8": ("", "test_a8_latest_is_the_newest_unread_record"),  # virtual, in one, two and no contexts
    "A9": (EVERYWHERE, "test_a9_decimate_takes_the_last_of_each_two test_a9_a_parameter_that_nobody_feeds_keeps_its_default"),
    "A10": ("", "test_a10_two_time_scales"),  # virtual, in five placements
    "A11": (EVERYWHERE, "test_a11_a_cycle_needs_initial_records test_a11_the_loop_with_its_first_control"),
    "A12": ("virtual", "test_a12_a_parameter_changes_between_firings test_a12_a_value_out_of_bounds_is_refused_where_it_is_set"),
    "A13": (EVERYWHERE, """test_a13_large_records_arrive_whole_and_in_order test_a13_the_newest_record_is_whole_too
        test_a13_large_objects_arrive_whole"""),
    "A14": (EVERYWHERE, "test_a14_a_probe_is_opened_and_closed_once test_a14_a_probe_is_closed_after_an_error_too"),
    "A15": (EVERYWHERE, "test_a15_sums_on_three_replicas"),
    "A16": (EVERYWHERE, "test_a16_two_emitters_three_replicas_two_collectors"),
    "A17": (EVERYWHERE, "test_a17_fibonacci_ends_by_itself_and_runs_again"),
    "A18": (EVERYWHERE, "test_a18_a_walk_brings_its_state_home test_a18_a_moving_average_of_ten test_a18_a_moving_average_by_window"),
    "A19": (EVERYWHERE, """test_a19_a_join_of_equal_lengths test_a19_a_join_ends_with_its_shorter_input
        test_a19_what_is_left_over_does_not_depend_on_timing test_a19_an_endless_emitter_ends_when_nobody_reads"""),
    "A20": (EVERYWHERE, """test_a20_an_error_ends_the_run_and_names_the_node test_a20_an_error_that_is_skipped_costs_one_item
        test_a20_an_error_among_large_objects"""),
    "A21": (PROCESSES, "test_a21_a_context_killed_by_its_own_node test_a21_a_context_killed_from_outside_is_noticed_within_a_second"),
    "A22": (EVERYWHERE, "test_a22_a_regulator_that_drops_what_is_left test_a22_a_regulator_that_carries_over"),
    "A23": (EVERYWHERE, "test_a23_diagram_and_counters_of_a_chain"),
    "A24": ("", """test_a24_map_filter_partition test_a24_nothing_runs_that_was_not_pulled test_a24_a_stage_that_several_pull_is_shared
        test_a24_an_iterable_starts_anew_and_an_iterator_goes_on"""),
    "A25": ("", """test_a25_a_queue_pulls_ahead_as_far_as_it_says test_a25_threads_go_with_the_last_reference
        test_a25_a_mutex_lets_one_thread_at_a_time_into_a_generator"""),
    "A26": ("", "test_a26_threads_keep_the_order test_a26_threads_then_processes"),
    "A27": ("", "test_a27_arrays_through_a_small_ring"),
    "A28": ("", """test_a28_segments_between_markers test_a28_a_marker_is_a_fence_at_unordered_workers
        test_a28_a_marker_before_each_list"""),
    "A29": (EVERYWHERE, """test_a29_order_survives_workers_of_uneven_speed test_a29_at_most_maxsize_are_out_between_save_and_load
        test_a29_eight_replicas_keep_the_order test_a29_eight_replicas_keep_the_order_of_what_they_let_pass
        test_a29_never_more_than_eight_replicas_in_flight
        test_a29_eight_workers_keep_the_order test_a29_filter_and_flatten_between_save_and_load"""),
    "A30": (EVERYWHERE, "test_a30_a_deadlock_of_full_edges_is_an_error test_a30_the_depth_it_asked_for_is_enough test_a30_a_loop_that_lost_its_record_is_an_error"),
    "A31": (EVERYWHERE, "test_a31_an_idle_graph_uses_no_cpu test_a31_ctrl_c_drains_and_exits"),
    "A32": ("", "test_a32_a_microphone_is_recorded_in_batches_from_a_trigger_on"),  # in a world
}  # fmt: skip

#: What was seen in the systems that this one comes from, and the tests that it is not seen here.
DEFECTS = {
    "data lost at the end because the graph stops when the first node is done": "test_a5_drain_through_nodes_that_block",
    "silent drops by default": "test_nothing_is_dropped_by_default",
    "a join that never ends": "test_a19_a_join_ends_with_its_shorter_input test_a19_an_endless_emitter_ends_when_nobody_reads",
    "an exception that never reaches the caller": "test_a20_an_error_ends_the_run_and_names_the_node",
    "or kills the interpreter, or restarts the node for ever": "test_an_exception_reaches_the_caller_and_nothing_is_started_again",
    "torn records": "test_a13_large_records_arrive_whole_and_in_order test_a13_the_newest_record_is_whole_too",
    "51 675 records emitted of which 4 384 distinct arrived": "test_virtual_run_delivers_every_pair test_the_program_in_real_time",
    "busy waiting": "test_a31_an_idle_graph_uses_no_cpu test_l11_an_idle_graph_is_never_woken",
    "identical random numbers in forked workers": "test_random_numbers_differ_between_nodes test_contexts_are_no_copies_of_the_caller",
    "shared memory and threads left behind": "test_l8_nothing_is_left_however_a_run_ends test_l8_nothing_is_left_of_processes",
    "a pipeline that hangs when abandoned": "test_a19_an_endless_emitter_ends_when_nobody_reads test_a_source_that_never_yields_can_be_abandoned",
}


def narrowed(decorator: ast.expr, shared: dict[str, ast.expr]) -> set[str] | None:
    """The drivers that a decorator narrows a test to; None if it does not. `shared`: decorators that have a name in the module."""
    decorator = shared.get(decorator.id, decorator) if isinstance(decorator, ast.Name) else decorator
    if not isinstance(decorator, ast.Call) or "driver" not in [getattr(argument, "value", None) for argument in decorator.args[:1]]:
        return None
    return set(ast.literal_eval(decorator.args[1]))


def listed(path: pathlib.Path) -> Iterator[tuple[str, set[str]]]:
    """The tests of a file, each with its drivers."""
    body = ast.parse(path.read_text()).body
    shared = {item.targets[0].id: item.value for item in body if isinstance(item, ast.Assign) and isinstance(item.targets[0], ast.Name)}
    for item in body:
        if isinstance(item, ast.FunctionDef) and item.name.startswith("test_"):
            found = [drivers for decorator in item.decorator_list if (drivers := narrowed(decorator, shared)) is not None]
            uses = any(argument.arg == "driver" for argument in item.args.args)
            yield item.name, found[0] if found else set(KINDS) if uses else set()


COLLECTED = {name: drivers for path in sorted((ROOT / "tests").rglob("test_*.py")) for name, drivers in listed(path)}


@pytest.mark.parametrize("row", ROWS)
def test_an_acceptance_row_is_proved(row):
    """Its tests exist, and each of its drivers runs one of them at least."""
    drivers, tests = (words.split() for words in ROWS[row])
    assert [] == [test for test in tests if test not in COLLECTED]
    assert set() == set(drivers) - set().union(*(COLLECTED[test] for test in tests))


def test_every_acceptance_test_is_in_its_row():
    """A test that has the number of a row in its name is listed there, and in no other."""
    named = {test: f"A{found[1]}" for test in COLLECTED if (found := re.match(r"test_a(\d+)_", test))}
    listed_in = {test: row for row, (_, tests) in ROWS.items() for test in tests.split()}
    assert {} == {test: row for test, row in named.items() if listed_in.get(test) != row}


@pytest.mark.parametrize("defect", DEFECTS)
def test_a_defect_of_the_ancestors_has_its_test(defect):
    """What was seen there is tested here, by name."""
    assert [] == [test for test in DEFECTS[defect].split() if test not in COLLECTED]
