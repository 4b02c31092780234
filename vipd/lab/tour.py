"""The scripted tour: it cuts and joins a cable of the example pair, and measures the gaps."""

import sys
import time
from collections.abc import Sequence
from ipaddress import ip_address
from pathlib import Path

from rich.console import Console
from rich.table import Table

import vipd
from vipd.lab.errors import LabError
from vipd.lab.lab import Lab
from vipd.lab.observer import Gap
from vipd.lab.plan import HostPlan, plan_from_config, preferred
from vipd.lab.site import Site

STEP_WITHIN = 10.0  # seconds until each address must be on the preferred host
STABLE = 1.0  # seconds that they have to stay there


def example_pair() -> list[Path]:
    """web01/ and web02/ of the published example: in the checkout, or where packages put them."""
    places = [
        Path(vipd.__file__).parents[1] / "conf.d.example",
        Path(sys.prefix) / "share/vipd/conf.d.example",
        Path("/usr/share/vipd/conf.d.example"),
        Path("/usr/share/doc/vipd/conf.d.example"),
    ]
    for place in places:
        if (place / "web01").is_dir() and (place / "web02").is_dir():
            return [place / "web01", place / "web02"]
    looked = ", ".join(map(str, places))
    raise LabError(f"the example pair is not installed (looked in {looked}); give two --config DIR")


def _short(path: Path | None) -> str:
    """The path as one would type it in the current directory."""
    here = Path.cwd()
    return str(path.relative_to(here) if path and path.is_relative_to(here) else path)


class Tour:
    """Shows how two or more hosts behave when the first one's cable is cut."""

    def __init__(self, directories: Sequence[Path], console: Console) -> None:
        if len(directories) < 2:
            raise LabError("a tour needs two hosts: give --config DIR twice")
        self.plans: list[HostPlan] = []
        for directory in directories:
            self.plans.append(plan_from_config(directory.name, directory, self.plans))
        if len({plan.name for plan in self.plans}) != len(self.plans):
            raise LabError("hosts are called like their directories: two have the same name")
        self.console = console
        self.measured: list[tuple[str, list[Gap]]] = []

    def run(self, lab: Lab) -> bool:
        """Run the whole tour, in some 15 s; return whether each address was on the right host."""
        site = Site(lab, self.plans, ())
        first = self.plans[0].name
        self._say("The hosts", "Network namespaces on this machine, joined by a bridge.")
        self._hosts()
        self._say("1. Start", "vipd starts on every host; each address goes to its preferred host.")
        site.start_all()
        good = self._expect(site, self.plans)

        if good:
            self._say(f"2. Cut the cable of {first}", "The others take over what it had.")
            good = self._step(site, "cable cut", self.plans[1:])
        if good:
            self._say(f"3. Join the cable of {first}", "Every address goes home again.")
            good = self._step(site, "cable back", self.plans)
        if good:
            self._say(
                "What a client saw",
                "A third host pinged every address every 5 ms; a cut cable costs about 3 s, the\n"
                "time in which three advertisements fail to come.",
            )
            self._gaps()
        else:
            self.console.print(lab.tails(), highlight=False, markup=False)
        return good

    def _step(self, site: Site, name: str, plans: Sequence[HostPlan]) -> bool:
        host = site.lab.hosts[self.plans[0].name]
        since = time.time()
        (host.cut if name == "cable cut" else host.join)()
        good = self._expect(site, plans, since)
        self.measured.append((name, site.worst_gaps(since)))
        return good

    def _expect(self, site: Site, plans: Sequence[HostPlan], since: float | None = None) -> bool:
        """Wait until each address is on the host that `plans` prefer, and stays; show it."""
        start = since or time.time()
        good = True
        for address in site.addresses:
            owner = preferred(ip_address(address), plans)
            try:
                site.lab.wait_owner(address, owner, timeout=STEP_WITHIN, stable=STABLE)
            except TimeoutError as error:
                good = False
                self.console.print(f"  [red]✗[/] {str(error).splitlines()[0]}", highlight=False)
                continue
            changes = site.lab.ownership(address).since(start).changes
            took = max((change.time - start for change in changes), default=0.0)
            self.console.print(
                f"  [green]✓[/] {address} is on [bold]{owner}[/]"
                + (f" after {took:.2f} s" if took > 0 else ", as before"),
                highlight=False,
            )
        return good

    def _say(self, title: str, sentence: str) -> None:
        self.console.print(f"\n[bold]{title}[/]\n{sentence}", highlight=False)

    def _hosts(self) -> None:
        table = Table("host", "interfaces", "configuration", box=None, padding=(0, 2))
        for plan in self.plans:
            interfaces = ", ".join(
                f"{device} {' '.join(map(str, addresses))}"
                for device, addresses in plan.interfaces.items()
            )
            table.add_row(plan.name, interfaces, _short(plan.config))
        self.console.print(table)

    def _gaps(self) -> None:
        table = Table("step", "address", "gap", box=None, padding=(0, 2))
        for step, gaps in self.measured:
            for gap in gaps:
                table.add_row(step, gap.address, f"{gap.seconds * 1000:.0f} ms")
            if not gaps:
                table.add_row(step, "all", "none over 20 ms")
        self.console.print(table)
