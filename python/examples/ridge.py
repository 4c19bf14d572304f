"""Provable grokking in ridge regression (arXiv 2601.19791): exact t1 and t2 over λ, and the bounds on the delay."""

from groktime import ridge


def main() -> None:
    problem = ridge.Problem.draw(samples=100, width=1000, teacher="zero")
    print("weight decay      t1          t2       delay")
    for decay in (1e-2, 1e-3, 1e-4, 1e-5, 1e-6):
        times = problem.with_settings(weight_decay=decay).times(train=0.01, test=0.01)
        print(f"{decay:12g} {times.t1!s:>7} {times.t2!s:>11} {times.delay!s:>11}")
    statements = problem.with_settings(weight_decay=1e-4).statements()
    for statement in statements:
        if statement.outcome == "holds":
            print(statement)
    print(statements.outcomes())
    # Grokking on demand: the λ at which the delay is ten thousand steps.
    for decay, delay in problem.control("weight_decay", (1e-6, 1e-1), delay=1e4, points=60):
        print(f"delay {delay:g} at weight decay {decay:.6g}")


if __name__ == "__main__":
    main()
