"""`harness cost CELL`: seconds and bytes of a meta-step over engine, order and inner steps."""

from __future__ import annotations

import argparse
import sys

from harness.cli.folders import RESULTS, folder
from harness.cli.numbers import DAY_SECONDS, at_once, real, whole
from harness.errors import HarnessError
from harness.places import results_folder
from harness.run import stop

SUMMARY = "measure what a meta-step of a cell costs, and compare with published costs"
EXAMPLES = (
    "harness cost maml/sinusoid-5shot --variant maml --engines func loop --orders second "
    "--steps 1 5 --seconds 0.05 --rounds 1",
    "harness cost maml/sinusoid-5shot --stored --format md",
    "harness cost maml/omniglot-5way-1shot --stored --claims --format json",
    "harness cost protonet/omniglot-5way-1shot --variant euclidean --set tasks.dataset=glyphs "
    "--set tasks.train_ways=5 --seconds 0.05 --rounds 1 --no-memory",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `cost`."""
    add = parser.add_argument
    add("cell", metavar="CELL", help="paper/cell, as `harness list` shows them")
    add("--variant", nargs="+", default=[], metavar="V", help="variants of the cell (all)")
    add("--engines", nargs="+", default=[], metavar="E", help="(all that can run here)")
    add("--orders", nargs="+", choices=("first", "second"), default=["first", "second"])
    steps = whole(1, 10_000)
    add("--steps", nargs="+", type=steps, default=[], metavar="N", help="(1 2 5 10 20 50, its own)")
    add("--device", choices=("auto", "cpu", "cuda"), default="auto")
    add("--threads", type=at_once(), metavar="N", help="CPU threads (as many as torch would take)")
    seconds, rounds = real(0, DAY_SECONDS, above=True), whole(1, 1000)
    add("--seconds", type=seconds, default=5.0, help="of timed meta-steps, each round (5)")
    add("--rounds", type=rounds, default=3, metavar="N", help="times a point is timed, in turn (3)")
    add("--limit", type=seconds, default=300.0, metavar="SECONDS", help="for one process (300)")
    add("--memory", action=argparse.BooleanOptionalAction, default=True, help="also memory")
    add(
        "--set",
        action="append",
        default=[],
        metavar="SECTION.SWITCH=VALUE",
        help="measure with another value of a protocol switch; the table says so",
    )
    add("--anew", action="store_true", help="do not go on with a measurement that was stopped")
    add("--stored", action="store_true", help="print what is on record, measure nothing")
    add("--claims", action="store_true", help="print the published costs and verdicts alone")
    add("--results", type=folder, metavar="DIR", help=RESULTS)
    add("--plots", metavar="DIR", type=folder, help="also draw plots (SVG, PNG)")
    formats = ("table", "json", "md", "latex", "csv")
    add("--format", choices=formats, default="table", help="json and csv: points, or --claims")


def main(arguments: argparse.Namespace) -> int:
    """Measure (or not), then print what is on record for the cell, machine by machine."""
    from harness.catalog import find_cell, read_paper
    from harness.costs.claim_rows import claim_rows
    from harness.costs.published import read_claims
    from harness.costs.rows import cost_rows
    from harness.costs.store import find_costs
    from harness.report.render import render_claims, render_costs

    cell = find_cell(arguments.cell)
    arguments.results = results_folder(arguments.results)
    claims = read_claims(cell.folder, read_paper(cell.folder).cells)
    if not arguments.stored:
        try:
            _measure(arguments)
        except KeyboardInterrupt:
            words = "finished points are on record; the same command goes on from there"
            return stop.stopped(f"stopped; {words}.")
    records = find_costs(arguments.results, [cell.key])
    rows = [row for record in records for row in cost_rows(cell, record)]
    said = claim_rows(cell, claims, records)
    form = arguments.format
    text = render_claims(said, form) if arguments.claims else render_costs(rows, said, form)
    sys.stdout.write(text)
    if arguments.stored and not rows:
        print(f"harness: nothing on record; `harness cost {cell.key}` measures.", file=sys.stderr)
    if arguments.plots is not None:
        from harness.report.cost_plot import plot_costs

        for path in plot_costs(rows, arguments.plots):
            print(f"wrote {path}", file=sys.stderr)
    return 0


def _measure(arguments: argparse.Namespace) -> None:
    import torch

    from harness.catalog import find_cell
    from harness.costs.grid import grid
    from harness.costs.session import Effort, Measuring
    from harness.costs.store import empty_record, record_path
    from harness.run.setup import choose_device

    if arguments.limit < 2 * arguments.seconds:
        raise HarnessError(
            f"--limit: found {arguments.limit:g}, wanted at least twice the {arguments.seconds:g} "
            f"of --seconds: warming up and the machine's peak take time too."
        )
    cell, device = find_cell(arguments.cell), choose_device(arguments.device)
    a = arguments
    groups = grid(cell, device.type, a.variant, a.engines, a.orders, a.steps, a.set)
    threads = a.threads or torch.get_num_threads()
    torch.set_num_threads(threads)  # so that the environment on record is that of the processes
    record = empty_record(cell.paper, cell.name, device, threads)
    effort = Effort(a.seconds, a.rounds, a.limit, a.memory)
    Measuring(cell, groups, record, effort, a.results, a.anew).run()
    print(f"harness: on record in {record_path(a.results, record)}", file=sys.stderr)
