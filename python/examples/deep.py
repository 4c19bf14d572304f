"""Deep Grokking (arXiv 2405.19454) in small: a network whose initial weights are multiplied by α fits at once and
generalises late, the later the larger α is. Modular addition instead of digits; trained, not solved."""

from groktime import network


def main() -> None:
    print("alpha  fits  generalises  phase")
    for scale in (1.0, 2.0, 4.0):
        run = network.train_modular_addition(
            13, fraction=0.6, init_scale=scale, step_size=3e-3, weight_decay=0.5, budget=4000
        )
        print(f"{scale:5g} {run.train_step!s:>5} {run.test_step!s:>12}  {run.phase}")


if __name__ == "__main__":
    main()
