"""What importing a contender and making its first model cost, in a process that holds nothing else yet.

So nothing but `time` is imported before the measurement, and it is run by `python -c`, for `-m` imports more:
`python -c "from tests.tools.benchmarks.fresh import main; main()" MODULE,… CONTENDER URL LATER`, which writes one line
of JSON.
"""

import sys
import time

from tests.tools.benchmarks.memory import memory_mb


def main() -> None:
    """Import one after the other, make one model, make `LATER` more."""
    modules, name, url, later = sys.argv[1:]
    held, start = memory_mb("VmRSS"), time.process_time()
    for module in modules.split(","):
        __import__(module)
    imported, now_held = time.process_time() - start, memory_mb("VmRSS")

    import json  # noqa: PLC0415  see above

    from tests.tools.benchmarks.contenders import find_contender  # noqa: PLC0415  see above

    make = find_contender(name).maker(url)
    start = time.process_time()
    make()
    first = time.process_time() - start
    start = time.process_time()
    for _ in range(int(later)):
        make()
    further = (time.process_time() - start) / int(later)
    figures = {"import": imported, "memory": now_held - held, "first": first, "later": further}
    sys.stdout.write(f"{json.dumps(figures)}\n")
