"""Records the PyTorch runs that tests/network/oracle.rs replays: `python tests/oracles/network.py`.

Data and parameters are formulas, so that both sides start from the same numbers. Recorded with
torch 2.15.0, double precision, one thread.
"""

import torch

torch.set_default_dtype(torch.float64)
torch.set_num_threads(1)

N = 7


def inputs(width):
    return torch.tensor([[__import__("math").cos(0.9 * i + 1.3 * j) for j in range(width)] for i in range(N)])


def parameters(widths, bias):
    """One leaf for each weight matrix and bias, filled with 0.5 sin(1.7 k + 0.3) in the order of θ."""
    from math import sin

    k, layers = 0, []
    for depth, (fan_in, fan_out) in enumerate(zip(widths, widths[1:])):
        w = torch.tensor([0.5 * sin(1.7 * (k + i) + 0.3) for i in range(fan_in * fan_out)])
        k += fan_in * fan_out
        w = w.reshape(fan_out, fan_in).requires_grad_()
        b = None
        if bias == "all" or (bias == "first" and depth == 0):
            b = torch.tensor([0.5 * sin(1.7 * (k + i) + 0.3) for i in range(fan_out)]).requires_grad_()
            k += fan_out
        layers.append((w, b))
    return layers


ACTIVATIONS = {"relu": torch.relu, "tanh": torch.tanh, "quadratic": torch.square, "identity": lambda z: z}


def forward(layers, activation, x):
    for depth, (w, b) in enumerate(layers):
        x = torch.nn.functional.linear(x, w, b)
        if depth + 1 < len(layers):
            x = ACTIVATIONS[activation](x)
    return x


def loss_of(name, f):
    classes = torch.tensor([i % f.shape[1] for i in range(N)])
    signs = torch.tensor([1.0 if i % 3 == 0 else -1.0 for i in range(N)])
    if name == "squared":
        return torch.nn.functional.mse_loss(f, torch.nn.functional.one_hot(classes, f.shape[1]).to(f.dtype))
    if name == "cross-entropy":
        return torch.nn.functional.cross_entropy(f, classes)
    if name == "logistic":
        return torch.nn.functional.softplus(-signs * f[:, 0]).mean()
    raise ValueError(name)


RUNS = [
    ("tanh", "all", [3, 5, 4, 2], "squared", "adamw", 0.01, 0.1, 40),
    ("relu", "first", [3, 6, 3], "cross-entropy", "adam", 0.02, 0.05, 40),
    ("quadratic", "none", [4, 5, 1], "logistic", "gd", 0.05, 0.01, 40),
    ("identity", "all", [3, 4, 3], "cross-entropy", "adamw", 0.05, 0.5, 40),
]

for activation, bias, widths, loss, optimiser, lr, wd, steps in RUNS:
    layers = parameters(widths, bias)
    leaves = [p for layer in layers for p in layer if p is not None]
    make = {"adamw": torch.optim.AdamW, "adam": torch.optim.Adam, "gd": torch.optim.SGD}[optimiser]
    opt = make(leaves, lr=lr, weight_decay=wd)
    x = inputs(widths[0])
    losses = []
    for step in range(steps):
        opt.zero_grad()
        value = loss_of(loss, forward(layers, activation, x))
        value.backward()
        if step in (0, 1, 10):
            losses.append(value.item())
        opt.step()
    losses.append(loss_of(loss, forward(layers, activation, x)).item())
    theta = torch.cat([p.detach().flatten() for p in leaves])
    print(activation, bias, widths, loss, optimiser, lr, wd, steps)
    print("   losses", [repr(v) for v in losses])
    print("   norm", repr(theta.norm().item()), "first", repr(theta[0].item()), "last", repr(theta[-1].item()))

# matrix_rank of covariances in both precisions.
for dtype in (torch.float64, torch.float32):
    from math import sin

    z = torch.tensor([[sin(0.37 * i * i + 0.11 * j) for j in range(6)] for i in range(40)], dtype=torch.float64)
    a = torch.tensor([[sin(1.7 * (i * 12 + j)) for j in range(12)] for i in range(6)], dtype=torch.float64)
    cov = torch.cov((z.to(dtype) @ a.to(dtype)).T)
    print(dtype, "rank", torch.linalg.matrix_rank(cov).item())
