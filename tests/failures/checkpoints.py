"""Section: what a run finds of an earlier one of it, and does not take as it is."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import torch

from harness.run import checkpoint, on_record
from tests.failures.case import Printed, Section
from tests.failures.small_runs import EVERY_STEP, SMALL, half_done, same_as_unbroken
from tests.failures.stage import Stage

SECTION = Section("Checkpoints")
case = SECTION.case
LOOP, CHECKPOINT = "tests/run/test_loop.py", "tests/run/test_checkpoint.py"
TORCHS = r"(?<=cannot be read \()[^`]*?(?=\);)"
MAKERS = r"(?<= by )[^`]*?(?=;| \()|(?<=other code \()[^`]*?(?=\):)"
AS_IT_WAS = "the checkpoint, as it was"


def goes_on(stage: Stage) -> Printed:
    """Let the run go on to its end, and check that its record is that of an unbroken one."""
    said = stage.say(SMALL, status=0)
    assert same_as_unbroken(stage)
    return said.only("checkpoint")


def refused(stage: Stage, path: Path, line: str = SMALL) -> Printed:
    """Check that the run does not begin and its checkpoint stays."""
    before = path.read_bytes()
    said = stage.say(line)
    assert path.read_bytes() == before
    return said


def changed(path: Path, **fields: Any) -> None:
    """Write the checkpoint that other code would have written: with other fields."""
    state = torch.load(path, weights_only=True)
    head = state.pop(checkpoint.HEAD)
    checkpoint.save(path.parent, state | fields, head["run"])


@case(
    "the newest checkpoint is truncated",
    kept="the checkpoint before; the broken one, set aside; the record is the same",
    test=f"{LOOP}::test_a_truncated_checkpoint_is_set_aside_and_the_one_before_used",
    foreign=TORCHS,
)
def truncated(stage: Stage) -> Printed:
    path = half_done(stage)
    path.write_bytes(path.read_bytes()[:100])
    said = goes_on(stage)
    assert path.with_suffix(".broken").stat().st_size == 100
    return said


@case(
    "one bit of it is another",
    kept="the checkpoint before; the broken one, set aside; the record is the same",
    test=f"{CHECKPOINT}::test_damage_in_a_tensor_is_noticed",
)
def a_bit(stage: Stage) -> Printed:
    path = half_done(stage)
    weights = torch.load(path, weights_only=True)["weights"]
    content = bytearray(path.read_bytes())
    content[content.index(weights["layers.3.weight"].numpy().tobytes()) + 1000] ^= 1
    path.write_bytes(content)
    return goes_on(stage)


@case(
    "both checkpoints are broken",
    kept="both, set aside; the record is the same",
    test=f"{LOOP}::test_two_broken_checkpoints_mean_a_fresh_start",
    foreign=TORCHS,
)
def both_broken(stage: Stage) -> Printed:
    half_done(stage)
    for name in ("checkpoint.pt", "checkpoint-before.pt"):
        stage.one(name).write_bytes(b"nothing of use")
    said = goes_on(stage)
    assert len(list(stage.folder.rglob("*.broken"))) == 2
    return said


@case(
    "a file of torch that is no checkpoint",
    kept="the checkpoint before; the other file, set aside; the record is the same",
    test=f"{CHECKPOINT}::test_what_is_no_checkpoint_is_set_aside",
)
def no_checkpoint(stage: Stage) -> Printed:
    torch.save({}, half_done(stage))
    return goes_on(stage)


@case(
    "a checkpoint of an older harness, which wrote no digests",
    kept="the run goes on from it; the record is the same",
    test=f"{CHECKPOINT}::test_a_checkpoint_without_a_head_gives_the_same_record",
)
def older(stage: Stage) -> Printed:
    path = half_done(stage)
    state = torch.load(path, weights_only=True)
    del state[checkpoint.HEAD]
    torch.save(state, path)
    return goes_on(stage)


@case(
    "a checkpoint of a newer harness",
    kept=AS_IT_WAS,
    test=f"{CHECKPOINT}::test_one_of_a_newer_format_is_refused",
)
def newer(stage: Stage) -> Printed:
    path = half_done(stage)
    state = torch.load(path, weights_only=True)
    state[checkpoint.HEAD]["format"] += 1
    torch.save(state, path)
    return refused(stage, path)


@case(
    "the checkpoint of another seed, moved here",
    kept=AS_IT_WAS,
    test=f"{CHECKPOINT}::test_one_of_another_seed_is_one_sentence",
)
def another_seed(stage: Stage) -> Printed:
    stage.say(f"{SMALL} --seeds 1 --budget 0.05", status=0)
    other = stage.one("checkpoint.pt")
    shutil.copy(half_done(stage), other)
    return refused(stage, other, f"{SMALL} --seeds 1")


@case(
    "a checkpoint of code that keeps other things",
    kept=AS_IT_WAS,
    test=f"{CHECKPOINT}::test_a_checkpoint_of_other_code_is_one_sentence",
    foreign=MAKERS,
)
def other_fields(stage: Stage) -> Printed:
    path = half_done(stage)
    changed(path, momentum=0.9)
    return refused(stage, path)


@case(
    "the network got a layer since",
    kept=AS_IT_WAS,
    test=f"{CHECKPOINT}::test_a_checkpoint_of_other_code_is_one_sentence",
    foreign=MAKERS,
)
def a_layer_more(stage: Stage) -> Printed:
    path = half_done(stage)
    method = stage.paper("maml") / "method.py"
    stage.edit(method, "MLP(inputs, s.hidden, 1", "MLP(inputs, (*s.hidden, 40), 1")
    return refused(stage, path)


@case(
    "the checkpoint may not be read",
    pretended="reading fails with EACCES",
    kept=AS_IT_WAS,
    test=f"{CHECKPOINT}::test_one_that_may_not_be_read_is_left_where_it_is",
)
def closed(stage: Stage) -> Printed:
    path = half_done(stage)

    def denied(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    stage.patch.setattr(torch, "load", denied)
    return refused(stage, path)


@case(
    "the code changed since the checkpoint",
    pretended="made-up commits",
    kept="the run goes on; its record names both commits",
    test=f"{CHECKPOINT}::test_it_is_said_what_is_gone_on_from",
)
def other_commit(stage: Stage) -> Printed:
    for name, line in (("a", f"{SMALL} --budget 0.5"), ("b", SMALL)):
        state = {"commit": name * 40, "clean": name == "a"}
        stage.patch.setattr(on_record, "git_state", lambda state=state, **_: state)
        said = stage.say(line, status=0)
    return said.only("going on")


@case(
    "you want to start anew (`--fresh`)",
    kept="what there was, set aside",
    test="tests/cli/test_run.py::test_fresh_sets_aside_what_there_was",
)
def fresh(stage: Stage) -> Printed:
    run = half_done(stage).parents[1]
    said = stage.say(f"{EVERY_STEP} --fresh", status=0)
    assert list(run.parent.glob(f"{run.name}-aside-*/train/checkpoint.pt"))
    assert same_as_unbroken(stage)
    return said.only("anew")
