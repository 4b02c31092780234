"""A client's view: a separate host that pings addresses, with its own ARP cache."""

import itertools
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType

from vipd.lab.host import Host
from vipd.lab.process import Process
from vipd.lab.waiting import wait_until

INTERVAL = 0.005  # seconds between two pings
NOTICEABLE = 0.02  # seconds: four pings in a row without an answer

#: fping, not ping: at intervals of up to 10 ms ping waits in a busy loop.
#: An answer within two seconds counts (`-t`), however late.
_PING = ("fping", "-D", "-l", "-i1", f"-p{INTERVAL * 1000:g}", "-t2000")
_ANSWER = re.compile(rb"^\[(\d+\.\d+)\] \S+ +: \[\d+\], \d+ bytes, ", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Gap:
    """A time without answers: from one answer to the next, or until now if none has come since."""

    address: str
    start: float  # seconds since the epoch: the last answer before it
    seconds: float

    def __str__(self) -> str:
        return f"{self.address} did not answer for {self.seconds * 1000:.0f} ms"


class Pings:
    """One address, pinged every 5 ms, and the answers' times in seconds since the epoch."""

    def __init__(self, address: str, process: Process) -> None:
        self.address = address
        self.process = process
        self._answers: list[float] = []
        self._position = 0
        self._until: float | None = None

    def answers(self) -> list[float]:
        """All answers so far."""
        while self._position < self.process.mark():
            data = self.process.log_bytes(self._position, skip=False)
            complete = data[: data.rfind(b"\n") + 1]
            if not complete:
                break
            self._position += len(complete)
            self._answers += [float(moment) for moment in _ANSWER.findall(complete)]
        return self._answers

    def gaps(self, over: float, since: float) -> list[Gap]:
        """Gaps longer than `over` seconds that ended after `since`, or have not ended yet."""
        end = self._until or time.time()
        answers = [*self.answers(), end]
        return [
            Gap(self.address, before, after - before)
            for before, after in itertools.pairwise(answers)
            if after - before > over and after >= since
        ]

    def stop(self) -> None:
        """Stop the pings; an open gap does not grow any more."""
        self._until = time.time()
        self.process.stop()


class Watch:
    """Pings to some addresses, running until stop() or the end of a `with` block."""

    def __init__(self, pings: Mapping[str, Pings]) -> None:
        self._pings = pings

    def __enter__(self) -> "Watch":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Stop the pings; their results are kept."""
        for pings in self._pings.values():
            pings.stop()

    def gaps(
        self, address: str | None = None, *, over: float = NOTICEABLE, since: float = 0.0
    ) -> list[Gap]:
        """Times longer than `over` seconds between two answers, of one address or of all.

        A gap that has not ended counts up to now. The time before the first answer is not a gap.
        `since` (seconds since the epoch) leaves out gaps that ended before it.
        """
        chosen = self._pings.values() if address is None else (self._pings[address],)
        gaps = [gap for pings in chosen for gap in pings.gaps(over, since)]
        return sorted(gaps, key=lambda gap: gap.start)

    def longest(self, address: str | None = None, *, since: float = 0.0) -> float:
        """Seconds of the longest time between two answers; about 0.005 without any loss."""
        return max((gap.seconds for gap in self.gaps(address, over=0, since=since)), default=0.0)

    def answers(self, address: str) -> int:
        """The number of answers from an address so far."""
        return len(self._pings[address].answers())

    def last_answer(self, address: str) -> float | None:
        """The time of an address's last answer, in seconds since the epoch."""
        answers = self._pings[address].answers()
        return answers[-1] if answers else None


class Observer:
    """Made by Lab.observer()."""

    def __init__(self, host: Host) -> None:
        self.host = host

    def watch(self, *addresses: str, answer_within: float | None = 5.0) -> Watch:
        """Start to ping; `with observer.watch(address) as w: …; w.gaps()`.

        Returns when each address has answered, so that everything after that is measured;
        TimeoutError if one does not answer within `answer_within` seconds. None: do not wait, for
        addresses that no host owns yet.
        """
        watch = Watch({address: Pings(address, self._ping(address)) for address in addresses})
        if answer_within is not None:
            wait_until(
                lambda: True if all(map(watch.answers, addresses)) else None,
                timeout=answer_within,
                complaint=lambda: (
                    " and ".join(a for a in addresses if not watch.answers(a))
                    + f" never answered {self.host.name} in {answer_within:g} s"
                ),
            )
        return watch

    def _ping(self, address: str) -> Process:
        process = self.host.start([*_PING, address], name=f"ping-{address}")
        process.hurry()
        return process
