"""The nets of benches/network.rs in PyTorch on the CPU: steps a second, and the rate of its products.

    pip install torch  # a CPU build is enough
    python benches/peers/network.py [THREADS]

Each line is measured for two seconds after a warm-up. `optimizer` is AdamW in its three implementations
(a loop over tensors, grouped, fused): PyTorch's best counts.
"""

import sys
import time

import torch
from torch import nn

THREADS = int(sys.argv[1]) if len(sys.argv) > 1 else 1
torch.set_num_threads(THREADS)
SECONDS = 2.0


def rate(step):
    for _ in range(20):
        step()
    start, count = time.perf_counter(), 0
    while time.perf_counter() - start < SECONDS:
        step()
        count += 1
    return count / (time.perf_counter() - start)


def adamw(parameters, variant, **kwargs):
    return torch.optim.AdamW(parameters, foreach=variant == "foreach", fused=variant == "fused", **kwargs)


def toy(variant):
    torch.manual_seed(0)
    table = nn.Parameter(torch.rand(10, 1) - 0.5)
    net = nn.Sequential(nn.Linear(1, 200), nn.Tanh(), nn.Linear(200, 200), nn.Tanh(), nn.Linear(200, 30))
    pairs = torch.tensor([(i, j) for i in range(10) for j in range(i, 10)])[:45]
    targets = torch.randn(19, 30)[pairs.sum(1)]
    loss = nn.MSELoss()
    slow = adamw(net.parameters(), variant, lr=1e-4, weight_decay=0.0)
    fast = adamw([table], variant, lr=1e-3, weight_decay=0.0)

    def step():
        slow.zero_grad()
        fast.zero_grad()
        value = loss(net(table[pairs[:, 0]] + table[pairs[:, 1]]), targets)
        value.backward()
        slow.step()
        fast.step()

    return step


def deep(variant, dtype):
    torch.manual_seed(0)
    layers, widths = [], [784] + [400] * 11 + [10]
    for depth, (a, b) in enumerate(zip(widths, widths[1:])):
        layers.append(nn.Linear(a, b, dtype=dtype))
        if depth + 2 < len(widths):
            layers.append(nn.ReLU())
    net = nn.Sequential(*layers)
    x = 0.3 * torch.randn(2000, 784, dtype=dtype)
    y = nn.functional.one_hot(torch.arange(2000) % 10, 10).to(dtype)
    loss = nn.MSELoss()
    optimizer = adamw(net.parameters(), variant, lr=1e-3, weight_decay=0.01)
    batches = iter(())

    def step():
        nonlocal batches
        rows = next(batches, None)
        if rows is None:
            batches = iter(torch.randperm(2000).split(200))
            rows = next(batches)
        optimizer.zero_grad()
        loss(net(x[rows]), y[rows]).backward()
        optimizer.step()

    return step


def products(dtype):
    a, b = torch.randn(200, 400, dtype=dtype), torch.randn(400, 400, dtype=dtype)
    return lambda: torch.mm(a, b)


print(f"torch {torch.__version__}, {THREADS} thread(s)")
for dtype in (torch.float32, torch.float64):
    print(f"product 200 x 400 x 400, {dtype}: {2 * 200 * 400 * 400 * rate(products(dtype)) / 1e9:.1f} GFlop/s")
for variant in ("loop", "foreach", "fused"):
    print(f"toy net 45 x 1-200-200-30, f32, {variant}: {rate(toy(variant)):.0f} steps a second")
for dtype in (torch.float32, torch.float64):
    for variant in ("loop", "foreach", "fused"):
        print(f"784-400x11-10, batch 200, {dtype}, {variant}: {rate(deep(variant, dtype)):.1f} steps a second")
