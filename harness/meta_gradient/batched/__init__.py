"""Engine `batched`: all tasks at once by written-out derivatives, with memory that stays flat.

Three rooms. `engine` chooses how many tasks go together, runs the inner loop and, for the second
order, goes back through it by Hessian-vector products. `graph` computes gradients and these
products for a model that could be read as a graph of layers, and by `torch.func` for any other
model. `rules` has one file per kind of layer: its outputs, derivatives and tangents.
"""
