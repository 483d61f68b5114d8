"""Engine `batched`: all tasks at once by written-out derivatives, with memory that stays flat.

`engine` chooses how many tasks go together (`chunks`); `recursion` runs the inner loop and, for the
second order, goes back through it by Hessian-vector products; `graph` computes gradients and
products for a model that `trace` could read as a graph of `rule`s (one file per kind of layer), and
`general` does so for any other model.
"""
