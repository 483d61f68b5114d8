"""Mutations of protocol and starts, and the tests that notice them: run by hand.

    python tests/mutations.py            all of them: a second or two each
    python tests/mutations.py mann r2d2  those whose file has one of the words

Each is made alone in a copy of the checkout; the tests beside it are run there, of which at least
one must fail. It ends with 1 where one does not, or where tests fail without any mutation.
"""

from __future__ import annotations

import multiprocessing
import os
import re
import shutil
import sys
import tempfile
from contextlib import redirect_stdout
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).resolve().parent.parent
STARTS = "tests/models/test_starts.py"


def paper(key: str) -> str:
    """Return the test of a paper's protocol and starts."""
    return f"replications/{key}/test_{key}_protocol.py"


# File, what stands there, what it becomes, and a test file that notices.
MUTATIONS = [
    # The six that no test noticed once.
    ("harness/models/mlp.py", "std=0.01, a=-0.02, b=0.02", "std=0.1, a=-0.2, b=0.2", STARTS),
    ("harness/models/mlp.py", "std=0.01, a=-0.02, b=0.02", "std=0.1, a=-0.2, b=0.2", paper("maml")),
    (
        "harness/models/strided_conv4.py",
        "self.head.weight.normal_(generator",
        "self.head.weight.normal_(0.0, 0.1, generator",
        STARTS,
    ),
    (
        "harness/models/strided_conv4.py",
        "self.head.weight.normal_(generator",
        "self.head.weight.normal_(0.0, 0.1, generator",
        paper("maml"),
    ),
    ("replications/maml/paper.toml", "inner_rate = 0.4", "inner_rate = 0.04", paper("maml")),
    ("replications/maml/paper.toml", "meta_batch = 32", "meta_batch = 8", paper("maml")),
    ("replications/maml/paper.toml", "= 60000", "= 6000", paper("maml")),
    (
        "replications/mann/method.py",
        "xavier_uniform_(w, generator",
        "xavier_uniform_(w, gain=0.3, generator",
        paper("mann"),
    ),
    (
        "harness/models/glorot.py",
        "xavier_uniform_(layer.weight, generator",
        "xavier_uniform_(layer.weight, gain=0.3, generator",
        STARTS,
    ),
    # Of networks beside those.
    ("harness/models/pooled_conv4.py", "1 / math.sqrt(9", "2 / math.sqrt(9", STARTS),
    ("replications/r2d2/network.py", "1 / math.sqrt(9", "2 / math.sqrt(9", paper("r2d2")),
    (
        "tests/models/small_resnet.py",
        'nonlinearity="relu"',
        'nonlinearity="linear"',
        "tests/models/test_small_resnet.py",
    ),
    (
        "replications/ntm/stacked_lstm.py",
        "1 / math.sqrt(units)",
        "2 / math.sqrt(units)",
        paper("ntm"),
    ),
    (
        "replications/learned_optimizer/lstm.py",
        "0] += 1.0",
        "0] += 0.0",
        paper("learned_optimizer"),
    ),
    ("harness/models/batch_statistics.py", "torch.zeros(", "torch.ones(", STARTS),
    ("harness/models/set_statistics.py", "torch.ones(", "torch.zeros(", STARTS),
    (
        "replications/mann/memory.py",
        "width), 1e-6)",
        "width), 1e-3)",
        "replications/mann/test_memory.py",
    ),
    # Of each paper: values of its protocol, and what its method does with them.
    ("replications/maml/paper.toml", "inner_steps = 5\n", "inner_steps = 1\n", paper("maml")),
    ("replications/maml/paper.toml", "outer_clip = 10.0", "outer_clip = 1.0", paper("maml")),
    ("replications/maml/paper.toml", '"sum-over-classes"', '"mean"', paper("maml")),
    (
        "replications/maml/method.py",
        "s.inner_rate, s.order",
        "2 * s.inner_rate, s.order",
        paper("maml"),
    ),
    ("replications/anil/paper.toml", "frozen_layers = 4", "frozen_layers = 3", paper("anil")),
    ("replications/anil/paper.toml", "filters = 64", "filters = 32", paper("anil")),
    ("replications/anil/paper.toml", "meta_rate = 0.001", "meta_rate = 0.01", paper("anil")),
    (
        "replications/closer_look/paper.toml",
        "test_dampening = 0.9",
        "test_dampening = 0.0",
        paper("closer_look"),
    ),
    (
        "replications/closer_look/paper.toml",
        "learning_rate = 0.001",
        "learning_rate = 0.01",
        paper("closer_look"),
    ),
    (
        "replications/closer_look/method.py",
        "math.sqrt(2 / (9",
        "math.sqrt(1 / (9",
        paper("closer_look"),
    ),
    ("replications/cnaps/paper.toml", "film_penalty = 0.001", "film_penalty = 0.0", paper("cnaps")),
    ("replications/cnaps/paper.toml", "train_queries = 10", "train_queries = 5", paper("cnaps")),
    ("replications/cnaps/networks.py", "normal_(0, 1e-3", "normal_(0, 1e-1", paper("cnaps")),
    (
        "replications/learned_optimizer/paper.toml",
        "unroll = 20",
        "unroll = 10",
        paper("learned_optimizer"),
    ),
    (
        "replications/learned_optimizer/paper.toml",
        'schedule = "cosine"',
        'schedule = "constant"',
        paper("learned_optimizer"),
    ),
    (
        "replications/learned_optimizer/tuned.py",
        "momentum=0.9",
        "momentum=0.99",
        paper("learned_optimizer"),
    ),
    (
        "replications/maml_plus_plus/paper.toml",
        "meta_rate_end = 0.00001",
        "meta_rate_end = 0.001",
        paper("maml_plus_plus"),
    ),
    (
        "replications/maml_plus_plus/paper.toml",
        "filters = 48",
        "filters = 24",
        paper("maml_plus_plus"),
    ),
    (
        "replications/maml_plus_plus/method.py",
        "math.cos(math.pi * way)",
        "1.0",
        paper("maml_plus_plus"),
    ),
    (
        "replications/mann/paper.toml",
        "learning_rate = 0.0001",
        "learning_rate = 0.001",
        paper("mann"),
    ),
    ("replications/mann/paper.toml", "heads = 4", "heads = 2", paper("mann")),
    ("replications/mann/method.py", "alpha=s.decay", "alpha=0.99", paper("mann")),
    (
        "replications/matching/paper.toml",
        "halve_every = 2000",
        "halve_every = 200000",
        paper("matching"),
    ),
    ("replications/matching/paper.toml", "filters = 64", "filters = 32", paper("matching")),
    (
        "replications/matching/full_context.py",
        "1 / math.sqrt(size)",
        "2 / math.sqrt(size)",
        paper("matching"),
    ),
    ("replications/meta_sgd/paper.toml", "rate_max = 0.1", "rate_max = 1.0", paper("meta_sgd")),
    (
        "replications/meta_sgd/paper.toml",
        "train_queries = 10",
        "train_queries = 5",
        paper("meta_sgd"),
    ),
    ("replications/meta_sgd/method.py", "self.one_draw)", "self.one_draw / 9)", paper("meta_sgd")),
    ("replications/rl2/paper.toml", "clip = 0.1", "clip = 0.2", paper("rl2")),
    ("replications/rl2/paper.toml", "meta_batch = 25000", "meta_batch = 250", paper("rl2")),
    ("replications/rl2/network.py", "sd = (2 /", "sd = (1 /", paper("rl2")),
    ("replications/rl2/paper.toml", "failure = 0.05", "failure = 0.5", paper("rl2")),
    ("replications/rl2/mdps.py", "normal(1, 1,", "normal(0, 1,", "replications/rl2/test_mdps.py"),
    ("replications/rl2/planning.py", "slack / 2,", "slack,", "replications/rl2/test_planning.py"),
    (
        "replications/rl2/beliefs.py",
        "if after is not None",
        "if after is None",
        "replications/rl2/test_mdps.py",
    ),
    (
        "replications/neural_processes/paper.toml",
        "context_max = 50",
        "context_max = 40",
        paper("neural_processes"),
    ),
    (
        "replications/neural_processes/paper.toml",
        "noise = 0.1 }",
        "noise = 0.01 }",
        paper("neural_processes"),
    ),
    (
        "replications/neural_processes/kernels.py",
        "math.sqrt(3) *",
        "math.sqrt(5) *",
        "replications/neural_processes/test_tasks.py",
    ),
    (
        "replications/neural_processes/exact.py",
        "torch.where(known, y, mean)",
        "mean",
        "replications/neural_processes/test_tasks.py",
    ),
    (
        "replications/neural_processes/attention.py",
        "width // heads)) **",
        "width)) **",
        paper("neural_processes"),
    ),
    ("replications/es_maml/paper.toml", "pairs = 150", "pairs = 15", paper("es_maml")),
    (
        "replications/es_maml/adaptation.py",
        "returned > best",
        "returned < best",
        "replications/es_maml/test_es_maml.py",
    ),
    (
        "replications/es_maml/rollouts.py",
        "clamp_(min=-4.0)",
        "clamp_(min=-8.0)",
        "replications/es_maml/test_es_maml.py",
    ),
    ("replications/deepcoder/paper.toml", "redrawn = false", "redrawn = true", paper("deepcoder")),
    ("replications/deepcoder/paper.toml", "embedding = 20", "embedding = 2", paper("deepcoder")),
    (
        "replications/deepcoder/network.py",
        "inputs**-0.5",
        "inputs**-0.25",
        paper("deepcoder"),
    ),
    (
        "replications/deepcoder/search.py",
        "index * each + 1",
        "index * each",
        "replications/deepcoder/test_search.py",
    ),
    (
        "replications/deepcoder/bounds.py",
        "low // entries + 1",
        "low // entries",
        "replications/deepcoder/test_deepcoder.py",
    ),
    ("replications/bmaml/paper.toml", "noise_start = 100.0", "noise_start = 0.01", paper("bmaml")),
    ("replications/bmaml/paper.toml", "phase_max = 6.28", "phase_max = 3.14", paper("bmaml")),
    ("replications/bmaml/network.py", ".normal_(0, 0.01", ".normal_(0, 0.1", paper("bmaml")),
    (
        "replications/bmaml/svgd.py",
        "along.sum(2).diag_embed() - along",
        "along - along.sum(2).diag_embed()",
        "replications/bmaml/test_svgd.py",
    ),
    (
        "replications/bmaml/method.py",
        "self.leader(follower.detach(), batch)",
        "self.leader.__wrapped__(self, follower, batch)",
        "replications/bmaml/test_bmaml.py",
    ),
    ("replications/abml/paper.toml", "support = 512", "support = 256", paper("abml")),
    (
        "replications/abml/tasks.py",
        "2 * (x < 0).long() + (y < 0)",
        "2 * (y < 0).long() + (x < 0)",
        "replications/abml/test_abml.py",
    ),
    (
        "replications/abml/tasks.py",
        "np.sqrt(radius)",
        "radius",
        "replications/abml/test_abml.py",
    ),
    (
        "replications/abml/network.py",
        "(2 * sd_w).exp()",
        "sd_w.exp()",
        "replications/abml/test_belief.py",
    ),
    ("replications/abml/paper.toml", "inner_steps = 5", "inner_steps = 1", paper("abml")),
    (
        "replications/abml/cnp.py",
        "self.total / max(self.seen, 1)",
        "self.total",
        "replications/abml/test_cnp.py",
    ),
    ("replications/ntm/paper.toml", "clip = 10.0", "clip = 1.0", paper("ntm")),
    ("replications/ntm/paper.toml", "longest = 20", "longest = 10", paper("ntm")),
    ("replications/ntm/turing_machine.py", "glorot(1.4, told", "glorot(0.42, told", paper("ntm")),
    ("replications/protonet/paper.toml", "train_ways = 60", "train_ways = 20", paper("protonet")),
    (
        "replications/protonet/paper.toml",
        "learning_rate = 0.001",
        "learning_rate = 0.01",
        paper("protonet"),
    ),
    ("replications/protonet/method.py", "* 0.5 **", "* 1.0 **", paper("protonet")),
    ("replications/r2d2/paper.toml", "dropout = 0.4", "dropout = 0.1", paper("r2d2")),
    ("replications/r2d2/paper.toml", "ridge = 50.0", "ridge = 5.0", paper("r2d2")),
    ("replications/r2d2/method.py", "torch.tensor(s.scale)", "torch.tensor(1.0)", paper("r2d2")),
    (
        "replications/reptile/paper.toml",
        "inner_rate = 0.001",
        "inner_rate = 0.01",
        paper("reptile"),
    ),
    ("replications/reptile/paper.toml", "train_shots = 15", "train_shots = 5", paper("reptile")),
    (
        "replications/reptile/inner_adam.py",
        "BETA2, EPSILON = 0.999",
        "BETA2, EPSILON = 0.9",
        paper("reptile"),
    ),
    ("replications/siamese/paper.toml", "rate_decay = 0.99", "rate_decay = 1.0", paper("siamese")),
    ("replications/siamese/paper.toml", "units = 4096", "units = 2048", paper("siamese")),
    ("replications/siamese/network.py", "sd = 0.2 if", "sd = 0.02 if", paper("siamese")),
    ("replications/siamese/method.py", "bias.normal_(0.5", "bias.normal_(0.0", paper("siamese")),
    ("replications/versa/paper.toml", "dropout_keep = 0.9", "dropout_keep = 1.0", paper("versa")),
    (
        "replications/versa/paper.toml",
        "learning_rate = 0.00025",
        "learning_rate = 0.0025",
        paper("versa"),
    ),
    (
        "replications/versa/features.py",
        "math.sqrt(1.3 / units)",
        "math.sqrt(0.3 / units)",
        paper("versa"),
    ),
    ("replications/versa/posterior.py", "std=1e-3", "std=1e-1", paper("versa")),
]


def warm_up() -> None:
    """Load what takes seconds once, so that each mutation's process has it from its parent."""
    from scipy import stats

    stats.norm.cdf(torch.optim.Adam([torch.zeros(1, requires_grad=True)]).defaults["lr"])
    torch.nn.Conv2d(1, 1, 1, device="meta").to_empty(device="cpu")


def run(copy: Path, tests: list[str], log: Path) -> None:
    """Run `tests` in the copy, in this process, up to the first one that fails."""
    os.chdir(copy)
    # Bytecode is told apart by seconds and sizes, which a mutation may leave as they are.
    sys.dont_write_bytecode = True
    with log.open("w", encoding="utf-8") as out, redirect_stdout(out):
        pytest.main(["-x", "-q", "--tb=no", "-p", "no:cacheprovider", *tests])


def failed(copy: Path, tests: list[str]) -> str:
    """Run `tests` in the copy and name the first one that fails, or return an empty string."""
    log = copy / "log"
    process = multiprocessing.get_context("fork").Process(target=run, args=(copy, tests, log))
    process.start()
    process.join()
    said = log.read_text(encoding="utf-8")
    if match := re.search(r"^FAILED (.+?)(?: - |$)", said, re.MULTILINE):
        return match[1]
    if not re.search(r"^\d+ passed", said, re.MULTILINE):
        raise SystemExit(f"{' '.join(tests)}: no test failed and none passed:\n{said}")
    return ""


def main(words: list[str]) -> int:
    """Try the mutations whose file has one of `words`, or all; return the exit status."""
    warm_up()
    chosen = [m for m in MUTATIONS if not words or any(word in m[0] for word in words)]
    unnoticed = 0
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        for part in ("harness", "replications", "tests"):
            shutil.copytree(ROOT / part, copy / part, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "pyproject.toml", copy)
        if wrong := failed(copy, sorted({tests for *_, tests in chosen})):
            print(f"found {wrong} failing without a mutation")
            return 1
        for file, old, new, tests in chosen:
            path, text = copy / file, (ROOT / file).read_text(encoding="utf-8")
            if old not in text:
                raise SystemExit(f"{file}: found no {old!r}: set another mutation in {__file__}.")
            path.write_text(text.replace(old, new), encoding="utf-8")
            noticed = failed(copy, [tests])
            path.write_text(text, encoding="utf-8")
            print(f"{file}: {old!r} -> {new!r}: {noticed or 'NOT NOTICED'}", flush=True)
            unnoticed += not noticed
    print(f"{len(chosen)} mutations, {unnoticed} not noticed")
    return 1 if unnoticed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
