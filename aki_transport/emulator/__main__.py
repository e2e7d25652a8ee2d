"""`python -m aki_transport.emulator`: serve until Ctrl-C."""

import argparse
import signal
import sys
import threading

from aki_transport.emulator.faults import HEADER, described
from aki_transport.emulator.server import Emulator


def main(argv: list[str] | None = None) -> int:
    """Serve until interrupted; the exit code."""
    faults = "\n  ".join(described())
    parser = argparse.ArgumentParser(
        prog="python -m aki_transport.emulator",
        description=__doc__,
        epilog=f"faults, in the header {HEADER} or after ! in the model name, several joined by ;\n  {faults}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8089, help="0 takes a free one (default: %(default)s)")
    parser.add_argument(
        "--credits", type=float, default=100.0, help="US dollars in each gateway's account (default: %(default)s)"
    )
    arguments = parser.parse_args(argv)
    # A shell starts a background job with Ctrl-C ignored; SIGTERM ends it the same way.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    try:
        with Emulator(host=arguments.host, port=arguments.port, credits=arguments.credits) as emulator:
            for title, url, key in emulator.addresses:
                sys.stdout.write(f"{title:30} {url} (key: {key})\n")
            sys.stdout.write("Ctrl-C ends it.\n")
            sys.stdout.flush()
            threading.Event().wait()
    except KeyboardInterrupt:
        return 0
    except OSError as error:
        sys.stderr.write(f"AKI emulator: cannot listen on {arguments.host}:{arguments.port}: {error.strerror}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
