"""The interactive prompt of `vipctl lab run`: commands for faults, and their effect on a client."""

import cmd
import shlex
import sys
import time
from collections.abc import Callable

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from vipd.lab import stand_ins
from vipd.lab.errors import LabError
from vipd.lab.host import Host
from vipd.lab.process import Process
from vipd.lab.site import Site
from vipd.lab.waiting import wait_until

LOG_LINES = 20
EXEC_TIMEOUT = 60.0
GIVE_UP_SETTLING = 12.0  # seconds
#: Seconds until a check has to have recovered, most of them those of CHECK_HOLD; and how much later
#: than its times say a check may fail.
GIVE_UP_RECOVERING, SLOWNESS = 90.0, 15.0


class Prompt(cmd.Cmd):
    """Reads commands from a terminal, or from a pipe (then it echoes each, and exits at its end).

    `failed`: whether any command failed, for the exit status.
    """

    prompt = "lab> "

    def __init__(self, site: Site, console: Console, quiet: float) -> None:
        super().__init__(stdin=sys.stdin, stdout=sys.stdout)
        self.site = site
        self.console = console
        self.quiet = quiet
        self.failed = False
        self.piped = not sys.stdin.isatty()
        self.use_rawinput = not self.piped
        if self.piped:
            self.prompt = ""

    # -- faults, and their ends

    def do_cut(self, line: str) -> None:
        """cut HOST [INTERFACE]: pull the cable; the host sees its carrier go"""
        self._host_fault(line, Host.cut)

    def do_join(self, line: str) -> None:
        """join HOST [INTERFACE]: plug the cable in again"""
        self._host_fault(line, Host.join)

    def do_isolate(self, line: str) -> None:
        """isolate HOST [INTERFACE]: partition; nothing gets through but the carrier stays"""
        self._host_fault(line, Host.isolate)

    def do_rejoin(self, line: str) -> None:
        """rejoin HOST [INTERFACE]: heal the partition"""
        self._host_fault(line, Host.rejoin)

    def do_crash(self, line: str) -> None:
        """crash HOST: cable out and everything on the host killed"""
        host, _rest = self._host(line)
        self._observed(host.crash)

    def do_boot(self, line: str) -> None:
        """boot HOST: switch a crashed host on again and start what ran there"""
        host, _rest = self._host(line)
        host.boot()
        self._observed(lambda: self.site.start(host.name))

    def do_freeze(self, line: str) -> None:
        """freeze HOST: SIGSTOP to its daemon"""
        self._daemon_fault(line, Process.freeze)

    def do_thaw(self, line: str) -> None:
        """thaw HOST: SIGCONT"""
        self._daemon_fault(line, Process.thaw)

    def do_kill(self, line: str) -> None:
        """kill HOST: SIGKILL to its daemon"""
        self._daemon_fault(line, Process.kill)

    def do_stop(self, line: str) -> None:
        """stop HOST: SIGTERM to its daemon, and wait for it"""
        self._daemon_fault(line, Process.stop)

    def do_start(self, line: str) -> None:
        """start HOST: start its daemon again"""
        host, _rest = self._host(line)
        self._observed(lambda: self.site.start(host.name))

    def do_sick(self, line: str) -> None:
        """sick HOST CHECK|FILE [WORDS…]: make a check fail there, or write the tracked file"""
        host, reason, words = self._played(line, "sick HOST CHECK|FILE [WORDS…]")
        text = " ".join(words) or "made to fail at the prompt"
        patience = self.site.plans[host.name].played.seconds + SLOWNESS
        self._judged(lambda: stand_ins.fail(host, reason, text), host, reason, patience)

    def do_well(self, line: str) -> None:
        """well HOST CHECK|FILE: let the check succeed again, or remove the tracked file"""
        host, reason, _words = self._played(line, "well HOST CHECK|FILE")
        self._judged(lambda: stand_ins.recover(host, reason), host, reason, GIVE_UP_RECOVERING)

    # -- looking

    def do_status(self, _line: str) -> None:
        """status: who owns what (the kernels' answer), and what runs"""
        table = Table("address", "owner", box=None, padding=(0, 2))
        for address in self.site.addresses:
            owners = self.site.lab.owners(address)
            colour = "green" if len(owners) == 1 else "red"
            table.add_row(address, f"[{colour}]{' and '.join(owners) or 'nobody'}[/]")
        self.console.print(table)
        for name in self.site.plans:
            daemon = self.site.daemons.get(name)
            self.console.print(f"  {name}: {escape(repr(daemon)) if daemon else 'nothing runs'}")
            reasons = self.site.plans[name].played.reasons
            if daemon and daemon.alive and reasons:
                self.console.print(f"    checked and tracked: {escape(', '.join(reasons))}")

    do_owners = do_status

    def do_gaps(self, _line: str) -> None:
        """gaps: all times longer than 20 ms in which an address did not answer"""
        gaps = self.site.watch.gaps()
        for gap in gaps:
            clock = time.strftime("%H:%M:%S", time.localtime(gap.start))
            self.console.print(f"  {clock} {gap}", highlight=False)
        if not gaps:
            self.console.print("  none over 20 ms")

    def do_log(self, line: str) -> None:
        """log HOST [LINES]: the end of its daemon's log"""
        host, rest = self._host(line)
        count = int(rest[0]) if rest else LOG_LINES
        for text in self.site.daemon(host.name).log().splitlines()[-count:]:
            self.console.print(text, markup=False, highlight=False, soft_wrap=True)

    def do_exec(self, line: str) -> None:
        """exec HOST COMMAND…: run a command there, a minute at most: exec web01 ip addr"""
        host, rest = self._host(line)
        if not rest:
            raise LabError("which command? exec HOST COMMAND…")
        done = host.run(rest, timeout=EXEC_TIMEOUT)
        self.console.out((done.stdout + done.stderr).rstrip("\n"), highlight=False)
        if done.returncode:
            raise LabError(f"{rest[0]} ended with status {done.returncode}")

    def do_quit(self, _line: str) -> bool:
        """quit: end the lab; so does end of file"""
        return True

    def do_EOF(self, _line: str) -> bool:  # noqa: N802 -- cmd's name for it
        """End the lab at the end of the input."""
        if not self.piped:
            self.console.print()
        return True

    # -- how commands are read

    def emptyline(self) -> bool:
        """Do nothing for an empty line (cmd would repeat the last command, and thus the fault)."""
        return False

    def default(self, line: str) -> None:
        """Report an unknown command; `#` begins a comment in scripts."""
        if not line.startswith("#"):
            raise LabError(f"unknown command {line.split()[0]!r}; help lists what there is")

    def onecmd(self, line: str) -> bool:
        """Run one command; an error is shown, and the lab keeps running."""
        if self.piped and line.strip() not in ("", "EOF"):
            self.console.print(f"lab> {line.strip()}", markup=False, highlight=False)
        try:
            return bool(super().onecmd(line))
        except (LabError, ValueError, TimeoutError, ProcessLookupError) as error:
            self.failed = True
            self.console.print(
                str(error), style="red", markup=False, highlight=False, soft_wrap=True
            )
            return False

    def completenames(self, text: str, *ignored: object) -> list[str]:
        """Command names, for the Tab key."""
        return [name for name in super().completenames(text, *ignored) if name != "EOF"]

    def completedefault(self, text: str, *_ignored: object) -> list[str]:
        """Host names, for the Tab key."""
        return [name for name in self.site.plans if name.startswith(text)]

    def get_names(self) -> list[str]:
        """The commands that help lists."""
        return [name for name in super().get_names() if name != "do_EOF"]

    # -- doing

    def _host(self, line: str) -> tuple[Host, list[str]]:
        name, *rest = shlex.split(line) or [""]
        if name not in self.site.plans:
            raise LabError(f"which host? There are {', '.join(self.site.plans)}")
        return self.site.lab.hosts[name], rest

    def _host_fault(self, line: str, action: Callable[[Host, str | None], None]) -> None:
        host, rest = self._host(line)
        self._observed(lambda: action(host, rest[0] if rest else None))

    def _played(self, line: str, usage: str) -> tuple[Host, str, list[str]]:
        """A host, what is checked or tracked there, and the other words."""
        host, rest = self._host(line)
        played = self.site.plans[host.name].played
        if not played.reasons:
            raise LabError(f"nothing is checked on {host.name} that the prompt could make fail")
        if not rest:
            raise LabError(f"which one? {usage}: {', '.join(played.reasons)}")
        self.site.daemon(host.name)
        return host, played.reason(rest[0]), rest[1:]

    def _judged(self, action: Callable[[], None], host: Host, reason: str, patience: float) -> None:
        """Carry out `action`, wait until vipd says otherwise about this than before, and show what
        follows."""
        before = self.site.verdict(host.name, reason)

        def act() -> None:
            began = time.time()
            action()
            wait_until(
                lambda: self._other_verdict(host.name, reason, before),
                timeout=patience,
                interval=0.1,
                complaint=lambda: (
                    f"vipd on {host.name} says about {reason} what it said before; exec "
                    f"{host.name} vipctl why tells what it waits for"
                ),
            )
            well = "is well again" if self.site.verdict(host.name, reason) else "fails"
            self.console.print(
                f"  +{time.time() - began:.2f} s  {reason} {well} on {host.name}", highlight=False
            )

        self._observed(act)

    def _other_verdict(self, name: str, reason: str, before: bool | None) -> bool | None:
        verdict = self.site.verdict(name, reason)
        return True if verdict is not None and verdict is not before else None

    def _daemon_fault(self, line: str, action: Callable[[Process], object]) -> None:
        host, _rest = self._host(line)
        daemon = self.site.daemon(host.name)
        self._observed(lambda: action(daemon))

    def _observed(self, action: Callable[[], object]) -> None:
        """Carry out `action`, wait until no address changes, and show the owners and the gaps."""
        since = time.time()
        action()
        self.site.settle(self.quiet, GIVE_UP_SETTLING)
        for address in self.site.addresses:
            changes = self.site.lab.ownership(address).changes
            moves = [change for change in changes if change.time >= since]
            for change in moves:
                verb = "owns" if change.added else "let go of"
                self.console.print(
                    f"  +{change.time - since:.2f} s  {change.host} {verb} {address}",
                    highlight=False,
                )
        gaps = self.site.worst_gaps(since)
        for gap in gaps:
            self.console.print(f"  [yellow]{gap}[/]", highlight=False)
        if not gaps:
            self.console.print("  no gap over 20 ms")
