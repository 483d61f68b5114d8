"""The command that makes a file of a record again."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import HarnessError

if TYPE_CHECKING:
    from harness.records.schema import Record


def file_is_gone(folder: Path, record: Record, name: str) -> HarnessError:
    """Return the sentence on a file that the record in `folder` names and that is not there."""
    return HarnessError(
        f"{folder / name}: the record names this file, but it is not here (the repository leaves "
        "out weights that are too large or of a shorter run); run "
        f"`{run_again(record)}` to make it again there."
    )


def run_again(record: Record) -> str:
    """Return the command line that repeats the run of a record, into another folder."""
    r = record
    words = f"harness run {r.paper}/{r.cell} --variant {r.variant} --seeds {r.seed}"
    words += f" --budget {r.budget}"
    for difference in r.protocol_differences:
        section, _, switch = difference.partition(":")[0].partition(".")
        own = r.protocol.get(section, {})
        # A switch that came later is not in the record where it has what older records had.
        value = json.dumps(own[switch]) if switch in own else difference.rpartition(" -> ")[2]
        words += f" --set {shlex.quote(f'{section}.{switch}={value}')}"
    return f"{words} --results elsewhere"
