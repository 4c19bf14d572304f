"""The effective theory of representation learning (arXiv 2205.10343): when is the structure unique, and how fast is it
found?"""

import numpy as np

from groktime import effective


def main() -> None:
    full = effective.Problem.addition(10)
    fraction, (low, high) = full.critical_fraction(trials=2000)
    print(f"half of the random training sets are unique from {fraction:.3f} of the samples on ({low:.3f} to {high:.3f})")
    start = np.random.default_rng(0).normal(size=(10, 1))
    print("samples  structures  rate    t(RQI > 0.95)")
    for size in (35, 40, 45, 50, 55):
        problem = effective.Problem.addition(10, size=size, seed=1)
        flow = problem.flow(start, rule="mean-square", delta=0.1)
        crossing = flow.first_rqi(0.95)
        when = f"{crossing.time:.1f}" if crossing.time is not None else crossing.kind
        print(f"{size:7d} {problem.nullity - 1:11d} {problem.rate(normalisation='one'):7.4f} {when:>14}")


if __name__ == "__main__":
    main()
