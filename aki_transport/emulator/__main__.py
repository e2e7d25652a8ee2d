"""`python -m aki_transport.emulator`: serve until Ctrl-C."""

import argparse
import signal
import sys
import threading


def main(argv: list[str] | None = None, *, prog: str = "python -m aki_transport.emulator") -> int:
    """Serve until interrupted; the exit code."""
    try:
        from aki_transport.emulator import Emulator  # noqa: PLC0415
        from aki_transport.emulator.faults import HEADER, describe_faults  # noqa: PLC0415
    except ModuleNotFoundError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    faults = "\n  ".join(describe_faults())
    parser = argparse.ArgumentParser(
        prog=prog,
        description=__doc__,
        epilog=f"faults, in the header {HEADER} or after ! in the model name, several joined by ;\n  {faults}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--port", type=int, default=8089, help="0 takes a free one (default: %(default)s)")
    parser.add_argument("--any-model", action="store_true", help="serve any model name under that name")
    arguments = parser.parse_args(argv)
    # A shell starts a background job with Ctrl-C ignored; SIGTERM ends it the same way.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    try:
        with Emulator(port=arguments.port, models="any" if arguments.any_model else None) as emulator:
            for title, url, key in emulator.addresses:
                sys.stdout.write(f"{title:30} {url} (key: {key})\n")
            sys.stdout.write(f"In place of all of them: export AKI_EMULATOR={emulator.url}\nCtrl-C ends it.\n")
            sys.stdout.flush()
            threading.Event().wait()
    except KeyboardInterrupt:
        return 0
    except OSError as error:
        sys.stderr.write(f"AKI emulator: cannot listen on port {arguments.port}: {error.strerror}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
