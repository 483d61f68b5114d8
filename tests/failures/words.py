"""Section: words of a command line that are wrong."""

from __future__ import annotations

import os

from harness.tasks import source
from tests.failures.case import Printed, Section, nothing_written
from tests.failures.small_runs import RUN, SMOKE
from tests.failures.stage import Stage

SECTION = Section(
    "Words of a command line",
    kept="Nothing is started, and nothing written, in any of these.",
    holds=nothing_written,
)
case, line = SECTION.case, SECTION.line
FOLDERS, MEMORY = "tests/cli/test_folders.py", "tests/tasks/test_memory.py"
RUN_TEST = "tests/cli/test_run.py"
ONE_SENTENCE = f"{RUN_TEST}::test_a_mistake_is_one_sentence_and_leaves_nothing"

line("unknown switch", f"{SMOKE} --set method.inner_rte=1", test=ONE_SENTENCE)


line(
    "training shortened, its cap not",
    f"{RUN} --set training.iterations=60",
    test="tests/run/test_loop.py::test_a_full_length_has_one_end",
)
line(
    "unknown cell",
    "harness run maml/sinusoid-6shot",
    test=f"{RUN_TEST}::test_an_unknown_cell",
)
line("unknown variant", "harness run maml/sinusoid-5shot --variant mml", test=ONE_SENTENCE)
line("unknown engine", f"{SMOKE} --engine fast", test=ONE_SENTENCE)
line("unknown budget", f"{RUN} --budget 2", test=ONE_SENTENCE)
line(
    "unknown device",
    f"{SMOKE} --device tpu",
    test="tests/cli/test_main.py::test_wrong_words_are_one_line",
    foreign=r"(?<=choose from )[^)]*",
)
line("no such device here", f"{SMOKE} --device cuda", test=f"{RUN_TEST}::test_devices")

line("a switch out of its range", f"{SMOKE} --set method.inner_steps=-1", test=ONE_SENTENCE)
line(
    "an option out of its range",
    f"{SMOKE} --threads 100000",
    test=ONE_SENTENCE,
    foreign=r"(?<=wanted 1 to )\d+",
)
line(
    "images that the pools leave nothing of",
    "harness run protonet/omniglot-5way-1shot --variant euclidean --budget smoke --set "
    "tasks.dataset=glyphs --set tasks.train_ways=5 --set tasks.image_size=8",
    test="tests/contracts/test_small_images.py::test_what_the_pools_leave_nothing_of",
)
line(
    "a batch that no machine should be asked for",
    f"{SMOKE} --set tasks.train_shots=100000 --set training.meta_batch=1000000",
    test=f"{MEMORY}::test_a_batch_that_no_machine_should_be_asked_for",
)


@case(
    "a batch that this machine has no room for",
    pretended="a small machine",
    test=f"{MEMORY}::test_a_batch_that_this_machine_has_no_room_for",
)
def small_machine(stage: Stage) -> Printed:
    stage.patch.setattr(source, "machine_bytes", lambda: 2**30)
    said = stage.say(f"{RUN} --set training.meta_batch=1000000 --set tasks.train_shots=1000")
    for path in stage.folder.rglob("lock"):  # of a run that was not begun
        assert list(path.parent.iterdir()) == [path]
    return said


line(
    "a folder of records that is not there",
    "harness list maml --results nowhere",
    test=f"{FOLDERS}::test_a_name_that_is_no_utf8",
)


@case(
    "a folder that is a loop of links, a pipe, a file",
    test=f"{FOLDERS}::test_what_can_be_no_folder_is_refused",
)
def no_folder(stage: Stage) -> Printed:
    (stage.folder / "loop").symlink_to("loop")
    os.mkfifo(stage.folder / "pipe")
    stage.put("file")
    loop, pipe, file = (stage.say(f"{SMOKE} --results {x}") for x in ("loop", "pipe", "file"))
    assert pipe.err == file.err.replace("file", "pipe")
    return [loop, "or", pipe]


@case(
    "names with control characters, which a terminal would obey",
    test="tests/cli/test_streams.py::test_nor_do_those_of_a_wrong_word",
)
def control_characters(stage: Stage) -> Printed:
    return stage.say("harness run 'maml/\x1b[2J'")
