"""One file per kind of layer, all tasks at once: outputs, derivatives, Hessian-vector products."""
