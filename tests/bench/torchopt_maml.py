"""MAML as TorchOpt's own example writes it (its `examples/few-shot/maml_omniglot.py`).

`MetaSGD` steps the module itself, `recover_state_dict` puts the start back, and one `backward` goes
through all tasks. In one respect it is made to do our work: batch norm's offsets do not adapt, so
the optimiser is given the other layers only.
"""

from __future__ import annotations

import torch
import torchopt
from torch import Tensor, nn

from harness.meta_gradient.problem import InnerLoop, MetaGradient, Params, Problem
from harness.tasks.batch import SupervisedBatch


def meta_gradient(
    problem: Problem, params: Params, batch: SupervisedBatch, inner: InnerLoop, rates: None = None
) -> MetaGradient:
    """Return the second-order gradient; `MetaSGD` has no first order (`create_graph` is fixed)."""
    assert not inner.first_order
    net, start = problem.model, load(problem.model, params)
    optimiser = torchopt.MetaSGD(adapting(net, inner), lr=inner.rate)
    kept_net = torchopt.extract_state_dict(net, by="reference", detach_buffers=True)
    kept_optimiser = torchopt.extract_state_dict(optimiser, by="reference")
    losses = []
    for i in range(len(batch)):
        for _ in range(inner.steps):
            loss = problem.support_loss(net(batch.support_x[i]), batch.support_y[i])
            optimiser.step(loss)
        losses.append(problem.query_loss(net(batch.query_x[i]), batch.query_y[i]))
        torchopt.recover_state_dict(net, kept_net)
        torchopt.recover_state_dict(optimiser, kept_optimiser)
    loss = torch.mean(torch.stack(losses))
    loss.backward()
    gradients = {k: v.grad if v.grad is not None else torch.zeros_like(v) for k, v in start.items()}
    return MetaGradient(loss.detach(), gradients)


def query_outputs(
    problem: Problem, params: Params, batch: SupervisedBatch, inner: InnerLoop
) -> Tensor:
    """Return the query outputs [steps + 1, T, Q, …] after 0, 1, …, steps, as the example tests."""
    net = problem.model
    load(net, params)
    optimiser = torchopt.MetaSGD(adapting(net, inner), lr=inner.rate)
    kept_net = torchopt.extract_state_dict(net, by="reference", detach_buffers=True)
    kept_optimiser = torchopt.extract_state_dict(optimiser, by="reference")
    tasks = []
    for i in range(len(batch)):
        outputs = [net(batch.query_x[i]).detach()]
        for _ in range(inner.steps):
            loss = problem.support_loss(net(batch.support_x[i]), batch.support_y[i])
            optimiser.step(loss)
            outputs.append(net(batch.query_x[i]).detach())
        tasks.append(torch.stack(outputs))
        torchopt.recover_state_dict(net, kept_net)
        torchopt.recover_state_dict(optimiser, kept_optimiser)
    return torch.stack(tasks, 1)


def load(net: nn.Module, params: Params) -> dict[str, nn.Parameter]:
    """Put `params` into the module, without old gradients, and return its parameters by name."""
    parameters = dict(net.named_parameters())
    with torch.no_grad():
        for name, parameter in parameters.items():
            parameter.copy_(params[name])
            parameter.grad = None
    return parameters


def adapting(net: nn.Module, inner: InnerLoop) -> nn.Module:
    """Return the layers that adapt as one module: MetaSGD takes the gradient once for each
    module."""
    layers = []
    for prefix, layer in net.named_modules():
        own = {f"{prefix}.{k}" for k, _ in layer.named_parameters(recurse=False)}
        if own - inner.frozen:
            assert not own & inner.frozen, f"{prefix}: only a part of a layer's weights adapts"
            layers.append(layer)
    return nn.ModuleList(layers)
