"""Resuming from a checkpoint: what is said about it, and what does not fit this code."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from harness.errors import HarnessError
from harness.method import Method
from harness.run import stop
from harness.run.members import is_member
from harness.run.weight_shapes import check_shapes

Session = Mapping[str, Any]


def say_what_there_is(
    label: str, iteration: int, sessions: Sequence[Session], here: Session
) -> None:
    """Say which code made the state that a training goes on from, and how to start anew."""
    made = list(dict.fromkeys(code(s) for s in sessions)) or ["code that is not known"]
    if made == [code(here)]:
        by = f"by the same {made[0]}"
        if here.get("clean") is not True:
            by += ", which may have been others"
    else:
        by = f"by {' and '.join(made)}; this is {code(here)}"
    stop.say(f"{label}: going on from iteration {iteration:,} {by}; `--fresh` starts anew.")


def code(session: Session) -> str:
    """Name the code of a session."""
    commit, clean = session.get("commit"), session.get("clean")
    if not commit:
        return "code of no known commit"
    return f"commit {str(commit)[:12]}" + " with uncommitted changes" * (clean is False)


def check_fields(state: dict[str, Any], known: frozenset[str]) -> None:
    """Check that `state` is that of a training: ValueError where it cannot be, HarnessError where
    it is that of other code, which keeps other things than `known`."""
    for name, fits in _FITS.items():
        if name in state and not fits(state[name]):
            raise ValueError(f"its {name!r} is not that of a training")
    if "weights" not in state or "iteration" not in state:
        raise ValueError("found no weights and iteration in it")
    wanted = known | {"weights", "training_state"}
    unknown = sorted(map(str, state.keys() - wanted))
    odd = f"{unknown[0]!r} in it, which this code does not keep" if unknown else ""
    if "training_state" not in state:
        odd = odd or "no 'training_state' in it"
    if odd:
        raise HarnessError(
            f"the checkpoint of iteration {state['iteration']:,} is of other code "
            f"({_makers(state)}): found {odd}; go back to that code, or start anew with `--fresh`."
        )


def take_up(method: Method, state: Mapping[str, Any], label: str) -> None:
    """Load a checkpoint into a method; one sentence where the method is another than its maker."""
    weights: dict[str, Tensor] = state["weights"]
    try:
        check_shapes(Path("checkpoint"), weights, method.weights(), label)
        method.load_weights({k: v.to(method.device) for k, v in weights.items()})
        method.load_training_state(state["training_state"])
    except Exception as e:  # whatever a method raises over a state that is not its own
        reason = str(e).strip().splitlines()[0].rstrip(".") if str(e).strip() else type(e).__name__
        raise HarnessError(
            f"{label}: the checkpoint of iteration {state['iteration']:,} is of a method of other "
            f"structure, by {_makers(state)} ({reason}); go back to that code, or start anew with "
            f"`--fresh`."
        ) from None


def _makers(state: Mapping[str, Any]) -> str:
    return " and ".join(dict.fromkeys(map(code, state.get("sessions") or ({},))))


def _number(x: object) -> bool:
    return type(x) in (int, float)


def _count(x: object) -> bool:
    return type(x) is int and 0 <= x < 2**63


def _tensors(x: object) -> bool:
    return isinstance(x, dict) and all(
        isinstance(k, str) and isinstance(v, Tensor) for k, v in x.items()
    )


def _row(x: object) -> bool:
    return (
        isinstance(x, list | tuple)
        and len(x) == 3
        and _count(x[0])
        and _number(x[1])
        and (x[2] is None or _number(x[2]))
    )


_FITS: dict[str, Callable[[Any], bool]] = {
    "iteration": _count,
    "curve": lambda x: isinstance(x, list) and all(map(_row, x)),
    "best": lambda x: x is None or _number(x),
    "best_iteration": _count,
    "best_weights": _tensors,
    "members": lambda x: isinstance(x, list) and all(map(is_member, x)),
    "waited": _count,
    "loss_sum": _number,
    "loss_count": _count,
    "seconds": _number,
    "sessions": lambda x: isinstance(x, list) and all(isinstance(s, dict) for s in x),
    "failure": lambda x: isinstance(x, str),
    "operations": lambda x: x is None or _count(x),
    "weights": _tensors,
    "training_state": lambda x: isinstance(x, dict),
}
"""What each part of a training's state is."""
