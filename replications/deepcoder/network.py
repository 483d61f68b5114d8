"""The network that predicts attributes from examples (paper, section 4.3 and appendix C)."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from replications.deepcoder.language import ATTRIBUTES
from replications.deepcoder.programs import INPUTS
from replications.deepcoder.tasks import Problems

VALUES = INPUTS + 1
TYPES = 2


def normal(out: int, inputs: int, deviation: float, generator: torch.Generator) -> nn.Parameter:
    """Return a weight drawn from a normal law."""
    return nn.Parameter(deviation * torch.randn(out, inputs, generator=generator))


class Dense(nn.Module):
    """A layer whose weights start normal with deviation 1 / sqrt(inputs), biases at 0."""

    def __init__(self, inputs: int, out: int, generator: torch.Generator) -> None:
        super().__init__()
        self.weight = normal(out, inputs, inputs**-0.5, generator)
        self.bias = nn.Parameter(torch.zeros(out))

    def forward(self, x: Tensor) -> Tensor:
        """[N, inputs] -> [N, out]."""
        return nn.functional.linear(x, self.weight, self.bias)


class AttributeNet(nn.Module):
    """Embeds each integer, encodes each example by three layers, takes the mean over examples and
    gives a logit for each attribute."""

    def __init__(
        self,
        numbers: int,
        padded: int,
        embedding: int,
        units: tuple[int, ...],
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.numbers, self.padded = numbers, padded
        # -V … V - 1, then the one of NULL, which is also behind the end of a list.
        self.embedding = normal(2 * numbers + 1, embedding, 1.0, generator)
        sizes = [VALUES * (TYPES + padded * embedding), *units]
        self.hidden = nn.ModuleList(Dense(a, b, generator) for a, b in pairwise(sizes))
        self.out = Dense(sizes[-1], len(ATTRIBUTES), generator)

    def forward(self, problems: Problems) -> Tensor:
        """Return logits, [T, P, 34]."""
        x = torch.cat([self.embedded(problems), self.types(problems)], -1)
        for layer in self.hidden:
            x = layer(x).sigmoid()
        logits: Tensor = self.out(x.mean(2))
        return logits

    def embedded(self, problems: Problems) -> Tensor:
        """Return the embeddings of all integers, [T, P, M, 4 x padded x embedding]."""
        p, null = problems, 2 * self.numbers
        data = torch.cat([p.data, p.output[:, :, None]], 2)
        length = torch.cat([p.length, p.size[:, :, None]], 2)
        places = torch.arange(data.shape[-1], device=data.device)
        index = (data.long() + self.numbers).clamp(0, null)
        index = torch.where(places < length[..., None], index, null)
        index = nn.functional.pad(index, (0, self.padded - data.shape[-1]), value=null)
        index = index.transpose(2, 3)  # [T, P, M, 4, padded]
        # Not `embedding[index]`: on several threads the order of its gradient's sum varies.
        return nn.functional.embedding(index, self.embedding).flatten(3)

    def types(self, problems: Problems) -> Tensor:
        """Return one-hot types of inputs and output, zeros for no input, [T, P, M, 8]."""
        of = nn.functional.one_hot(problems.kind, 1 + TYPES)[..., 1:].flatten(2)
        examples = problems.output.shape[2]
        return of[:, :, None].expand(-1, -1, examples, -1).to(self.embedding)
