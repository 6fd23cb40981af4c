"""How long many machines take when some are slow and some die: a simulation, for choosing the size of a part.

    python3 -m benchmarks.stragglers                           10 million pictures, 100 workers
    python3 -m benchmarks.stragglers --pictures 1000000000 --workers 1000

Each worker takes the next part when it has done one. A part takes its pictures over the worker's rate, times a chance
factor (log-normal, sigma 0.3). One worker in ten runs at a third of the rate. A worker dies at random, on the mean once
in so many hours; what it had of its part is lost, and it is back after two minutes. Nothing is done twice on purpose.
"""

import argparse
import heapq
import json
import random

SIGMA, SLOW_SHARE, SLOW, BACK_S = 0.3, 0.1, 1 / 3, 120.0
START_S = 0.15
"""Of a part: handing it out, reading its listing, publishing its file."""


def makespan(
    pictures: int, a_part: int, workers: int, rate: float, hours_to_death: float, seed: int
) -> dict[str, float]:
    """Seconds until the last part is done, and the share of work that was lost to deaths."""
    rng = random.Random(seed)
    rates = [rate * (SLOW if rng.random() < SLOW_SHARE else 1.0) for _ in range(workers)]
    parts = -(-pictures // a_part)
    free = [(0.0, worker) for worker in range(workers)]
    heapq.heapify(free)
    lost = worked = end = 0.0
    while parts:
        now, worker = heapq.heappop(free)
        takes = START_S + a_part / rates[worker] * rng.lognormvariate(-(SIGMA**2) / 2, SIGMA)
        death = rng.expovariate(1 / (3600 * hours_to_death))
        if death < takes:
            lost += death
            heapq.heappush(free, (now + death + BACK_S, worker))
            continue
        parts -= 1
        worked += takes
        end = max(end, now + takes)
        heapq.heappush(free, (now + takes, worker))
    return {"seconds": end, "lost": lost / (lost + worked), "ideal": pictures / sum(rates)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=10_000_000)
    parser.add_argument("--workers", type=int, default=100)
    parser.add_argument("--rate", type=float, default=40.0, help="pictures a second of one worker")
    parser.add_argument("--hours-to-death", type=float, default=10.0, help="mean time until a worker dies")
    args = parser.parse_args()
    for a_part in (64, 256, 1024, 4096, 16384, 65536):
        found = [makespan(args.pictures, a_part, args.workers, args.rate, args.hours_to_death, s) for s in range(3)]
        mean = {key: sum(one[key] for one in found) / len(found) for key in found[0]}
        hours, over = mean["seconds"] / 3600, mean["seconds"] / mean["ideal"] - 1
        print(
            json.dumps(
                {
                    "files a part": a_part,
                    "hours": round(hours, 2),
                    "over ideal": f"{over:.1%}",
                    "lost": f"{mean['lost']:.2%}",
                }
            )
        )


if __name__ == "__main__":
    main()
