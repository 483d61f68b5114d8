"""All programs that give a problem's outputs on all of its examples."""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor

from replications.deepcoder.language import Values, apply
from replications.deepcoder.programs import SIGNATURES, Programs, tree
from replications.deepcoder.running import Bank, Run, run_parts
from replications.deepcoder.tasks import Problems


@cache
def _ready(signature: int, device: torch.device) -> Run:
    return Run(tree(list(SIGNATURES.values())[signature]), device)


def consistent_programs(batch: Problems, task: int, place: int) -> Programs:
    """Return the consistent programs of program `place` of set `task`, all statements used."""
    at = (task, place)
    ready = _ready(int(batch.signature[at]), batch.data.device)
    n = ready.tree.inputs
    bank = ready.bank(batch.data[at][:n], batch.length[at][:n])
    is_list = bool(batch.kind[at][-1] == 2)
    found = short_ones(ready, bank, batch.output[at], batch.size[at], is_list)
    found.append(long_ones(ready, bank, batch.output[at], batch.size[at], is_list))
    numbers = [which.cpu().numpy() for which in found]
    return Programs.joined([p.rows(w) for p, w in zip(ready.tree.programs, numbers, strict=True)])


def short_ones(ready: Run, bank: Bank, output: Tensor, size: Tensor, is_list: bool) -> list[Tensor]:
    """Return the numbers of the programs of length 1, and those of length 2. Outputs are [M, L],
    their sizes [M]."""
    found, start = [], ready.tree.inputs
    for programs in ready.tree.programs[:2]:
        rows = slice(start, start + len(programs))
        right = torch.from_numpy(programs.gives_list() == is_list).to(output.device)
        same = (bank.length[:, rows] == size[:, None]).all(0)
        same &= (bank.data[:, :, rows] == output.T[:, :, None]).all(0).all(0)
        found.append((right & same).nonzero()[:, 0])
        start += len(programs)
    return found


def long_ones(ready: Run, bank: Bank, output: Tensor, size: Tensor, is_list: bool) -> Tensor:
    """Return the numbers of the programs of length 3: what fails on one example is not run on the
    next."""
    rows = slice(None) if is_list else slice(1)

    def right(made: Values, m: int) -> Tensor:
        same: Tensor = (made.data[rows] == output[m, rows, None]).all(0)
        return same & (made.length == size[m])

    found = []
    parts = [part for part in ready.parts[2] if part.operation.gives_list == is_list]
    for part, made in run_parts(bank, parts, 0):
        kept = right(made, 0).nonzero()[:, 0]
        for m in range(1, len(output)):
            if len(kept):
                given = [bank.of(values[kept], m) for values in part.taken]
                kept = kept[right(apply(part.operation, *given), m)]
        found.append(part.programs[kept])
    return torch.cat(found)
