"""Each wrong MAML of docs/wrong_mamls.md, in a few lines, beside the right one: the named contract
lets the right one pass and catches the wrong one. Plain torch on tiny problems, no engine."""

import copy

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from harness.errors import HarnessError
from harness.meta_gradient.contract import check_meta_gradient

RATE = 0.3
WEIGHTS = [torch.tensor([0.4, -1.1], dtype=torch.float64)]
# Tasks are non-quadratic bowls: support loss around one point, query loss around another.
TASKS = [
    (torch.tensor([1.0, 0.5]).double(), torch.tensor([1.2, 0.1]).double()),
    (torch.tensor([-0.7, 2.0]).double(), torch.tensor([-0.2, 1.5]).double()),
    (torch.tensor([0.3, -1.5]).double(), torch.tensor([0.9, -1.0]).double()),
]


def loss(w, centre):
    return torch.cosh(w - centre).sum() + 0.5 * torch.prod(w - centre) ** 2


def adapted(w, support):
    (g,) = torch.autograd.grad(loss(w, support), w, create_graph=True)
    return w - RATE * g


def meta_loss(weights, tasks=TASKS):
    w = weights[0].detach().requires_grad_()
    return torch.stack([loss(adapted(w, s), q) for s, q in tasks]).mean()


def right_meta_gradient(weights, tasks=TASKS):
    w = weights[0].detach().requires_grad_()
    total = torch.stack([loss(adapted(w, s), q) for s, q in tasks]).mean()
    return torch.autograd.grad(total, [w])


# 1. Parameters cloned and detached: no meta-gradient flows.


def detached_meta_gradient(weights, tasks=TASKS):
    w = weights[0].detach().requires_grad_()
    total = torch.zeros((), dtype=w.dtype)
    for support, query in tasks:
        fast = w.detach().clone().requires_grad_()  # the mistake
        total = total + loss(adapted(fast, support), query) / len(tasks)
    (g,) = torch.autograd.grad(total, [w], allow_unused=True)
    return [torch.zeros_like(w) if g is None else g]


# 2. Training on tasks in turn.


def in_turn_meta_gradient(weights, tasks=TASKS):
    fast = weights[0].detach().requires_grad_()
    start = fast
    total = torch.zeros((), dtype=fast.dtype)
    for support, query in tasks:
        fast = adapted(fast, support)  # the mistake: the next task starts where this one ended
        total = total + loss(fast, query) / len(tasks)
    return torch.autograd.grad(total, [start])


# 5. Inverse Hessians: implicit MAML's gradient, or a sign slip, given as MAML's.


def inverse_hessian_meta_gradient(weights, tasks=TASKS):
    w = weights[0].detach()
    total = torch.zeros_like(w)
    for support, query in tasks:
        hessian = torch.autograd.functional.hessian(lambda v, s=support: loss(v, s), w)
        (g,) = torch.autograd.grad(loss(fast := adapted_value(w, support), query), fast)
        total += torch.linalg.solve(torch.eye(2).double() + RATE * hessian, g)  # the mistake
    return [total / len(tasks)]


def hessian_meta_gradient(weights, tasks=TASKS):
    w = weights[0].detach()
    total = torch.zeros_like(w)
    for support, query in tasks:
        hessian = torch.autograd.functional.hessian(lambda v, s=support: loss(v, s), w)
        (g,) = torch.autograd.grad(loss(fast := adapted_value(w, support), query), fast)
        total += g - RATE * hessian @ g
    return [total / len(tasks)]


def adapted_value(w, support):
    return adapted(w.detach().requires_grad_(), support).detach().requires_grad_()


def first_order_meta_gradient(weights, tasks=TASKS):
    w = weights[0].detach()
    grads = []
    for support, query in tasks:
        fast = adapted_value(w, support)
        grads += torch.autograd.grad(loss(fast, query), fast)
    return [torch.stack(grads).mean(0)]


@pytest.mark.parametrize("right", [right_meta_gradient, hessian_meta_gradient])
def test_contract_passes_the_right_meta_gradient(right):
    outcome = check_meta_gradient(right, meta_loss, WEIGHTS)
    assert outcome.passed, outcome.sentence
    assert outcome.relative_error < 1e-7


@pytest.mark.parametrize(
    "wrong",
    [
        detached_meta_gradient,
        in_turn_meta_gradient,
        inverse_hessian_meta_gradient,
        first_order_meta_gradient,  # honest under its own name, wrong under the name of MAML
    ],
)
def test_contract_catches_the_wrong_meta_gradient(wrong):
    outcome = check_meta_gradient(wrong, meta_loss, WEIGHTS)
    assert not outcome.passed
    assert outcome.relative_error > 0.01
    assert "finite differences" in outcome.sentence


def test_first_order_passes_against_its_own_definition():
    ends = [adapted_value(WEIGHTS[0], s).detach() for s, _ in TASKS]

    def shifted_loss(weights):
        shift = weights[0] - WEIGHTS[0]
        pairs = zip(ends, TASKS, strict=True)
        return torch.stack([loss(end + shift, q) for end, (_, q) in pairs]).mean()

    assert check_meta_gradient(first_order_meta_gradient, shifted_loss, WEIGHTS).passed
    assert not check_meta_gradient(right_meta_gradient, shifted_loss, WEIGHTS).passed


def test_detached_parameters_leave_exactly_no_meta_gradient():
    assert torch.equal(detached_meta_gradient(WEIGHTS)[0], torch.zeros(2).double())


def test_training_in_turn_depends_on_the_order_of_tasks():
    backwards = TASKS[::-1]
    right = right_meta_gradient(WEIGHTS)[0], right_meta_gradient(WEIGHTS, backwards)[0]
    wrong = in_turn_meta_gradient(WEIGHTS)[0], in_turn_meta_gradient(WEIGHTS, backwards)[0]
    torch.testing.assert_close(*right, rtol=1e-12, atol=0)
    assert not torch.allclose(*wrong, rtol=1e-3)


def test_contract_wants_float64_and_whole_gradients():
    with pytest.raises(HarnessError, match=r"found weights of torch.float32, wanted torch.float64"):
        check_meta_gradient(right_meta_gradient, meta_loss, [torch.zeros(2)])
    with pytest.raises(HarnessError, match=r"found gradient shapes \[\], wanted \[\(2,\)\]"):
        check_meta_gradient(lambda _: [], meta_loss, WEIGHTS)


def test_contract_catches_nan_and_passes_a_flat_loss():
    nan = check_meta_gradient(lambda w: [w[0] * float("nan")], meta_loss, WEIGHTS)
    assert not nan.passed
    flat = check_meta_gradient(lambda w: [w[0] * 0], lambda w: (w[0] * 0).sum(), WEIGHTS)
    assert flat.passed


# 3. Measuring on the support set.


def fitted_accuracy(x, y, query_x, query_y):
    """Adapt a linear classifier to (x, y) and score it on the query set, in percent.

    Least squares is where inner steps without end would lead, and takes no loop."""
    w = torch.linalg.pinv(x) @ (2.0 * y - 1).to(x.dtype)
    return ((query_x @ w > 0) == query_y.bool()).double().mean().item() * 100


def noise_task_accuracy(measure):
    """Contract: where labels are noise, no learner is better than chance. Mean over 50 tasks."""
    generator = torch.Generator().manual_seed(0)
    accuracies = []
    for _ in range(50):
        x = torch.randn(2, 40, 100, generator=generator, dtype=torch.float64)
        y = torch.randint(2, (2, 40), generator=generator)
        accuracies.append(measure(x[0], y[0], x[1], y[1]))
    return sum(accuracies) / len(accuracies)


def test_measuring_on_the_support_set_beats_chance_on_noise():
    def on_support(x, y, query_x, query_y):
        return fitted_accuracy(x, y, x, y)  # the mistake

    assert abs(noise_task_accuracy(fitted_accuracy) - 50) < 5  # sd of the mean is 1.1
    assert noise_task_accuracy(on_support) > 95


# 4. Running statistics under inner steps.


def tasks_leak(track_running_stats):
    """Contract: the score of a task is the same, bit for bit, whatever was scored before it."""
    torch.manual_seed(0)
    learner = nn.Sequential(
        nn.Linear(3, 4),
        nn.BatchNorm1d(4, track_running_stats=track_running_stats),
        nn.ReLU(),
        nn.Linear(4, 2),
    )
    generator = torch.Generator().manual_seed(1)
    tasks = [torch.randn(2, 10, 3, generator=generator) * (i + 1) + i for i in range(3)]
    y = torch.arange(10) % 2

    def score(task):
        kept = copy.deepcopy(list(learner.parameters()))  # the parameters; not the buffers
        learner.train()
        for _ in range(3):
            gradients = torch.autograd.grad(
                cross_entropy(learner(task[0]), y), list(learner.parameters())
            )
            with torch.no_grad():
                for p, g in zip(learner.parameters(), gradients, strict=True):
                    p -= 0.1 * g
        learner.eval()
        with torch.no_grad():
            value = cross_entropy(learner(task[1]), y).item()
            for p, old in zip(learner.parameters(), kept, strict=True):
                p.copy_(old)
        return value

    alone = score(tasks[0])
    for other in tasks[1:]:
        score(other)
    return score(tasks[0]) != alone


def test_running_statistics_carry_one_task_into_the_next():
    assert not tasks_leak(track_running_stats=False)
    assert tasks_leak(track_running_stats=True)


# 6. Choosing labels instead of classes when splitting Omniglot.

# A small Omniglot: 4 alphabets of 5 characters, 3 drawings each, as (alphabet, character, drawing).
DRAWINGS = [(a, c, d) for a in "ABCD" for c in range(5) for d in range(3)]


def split(labels, train):
    """Return the sets of labels for training and for test: the first `train` in a fixed shuffle."""
    labels = sorted(labels)
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(0)).tolist()
    return {labels[i] for i in order[:train]}, {labels[i] for i in order[train:]}


def characters_on_both_sides(train, test, character):
    """Contract: no character of the training split, turned or not, is in the test split."""
    return {character(label) for label in train} & {character(label) for label in test}


def drawings_by_class(label):
    """Contract: every class has as many drawings as there were drawers (20 in Omniglot)."""
    classes = {}
    for drawing in DRAWINGS:
        classes.setdefault(label(drawing), []).append(drawing)
    return {len(own) for own in classes.values()}


def test_splitting_labels_after_rotation_puts_characters_on_both_sides():
    characters = {(a, c) for a, c, _ in DRAWINGS}
    turned = {(a, c, quarter) for a, c in characters for quarter in range(4)}

    wrong = split(turned, 60)  # the mistake: a character and its rotation are different labels
    assert characters_on_both_sides(*wrong, character=lambda label: label[:2])

    train, test = split(characters, 15)  # the classes first, the rotations within each side
    train = {(a, c, quarter) for a, c in train for quarter in range(4)}
    test = {(a, c, quarter) for a, c in test for quarter in range(4)}
    assert not characters_on_both_sides(train, test, character=lambda label: label[:2])


def test_character_numbers_are_not_classes():
    assert drawings_by_class(lambda d: d[:2]) == {3}
    assert drawings_by_class(lambda d: d[1]) == {12}  # the mistake: `character01` of every alphabet


def test_drawing_labels_from_examples_repeats_classes():
    """Contract: an N-way episode has N different classes."""
    labels = [(a, c) for a, c, _ in DRAWINGS]
    generator = torch.Generator().manual_seed(0)

    def distinct(pool, ways=5):
        order = torch.randperm(len(pool), generator=generator)[:ways].tolist()
        return len({pool[i] for i in order})

    classes = sorted(set(labels))
    assert {distinct(classes) for _ in range(100)} == {5}
    assert min(distinct(labels) for _ in range(100)) < 5  # the mistake: one label a drawing
