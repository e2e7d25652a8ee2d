"""A process's memory. Not by `resource`: its maximum counts that of the parent too, over fork and exec."""


def memory_mb(field: str, process: int | str = "self") -> float:
    """Resident now (`VmRSS`) or at most so far (`VmHWM`), in MB; by default of this process."""
    with open(f"/proc/{process}/status", encoding="ascii") as status:  # noqa: PTH123  pathlib would count as memory
        for line in status:
            name, _, value = line.partition(":")
            if name == field:
                return int(value.split()[0]) / 1024
    raise LookupError(field)
