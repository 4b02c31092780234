"""The same scenarios with somebody in the network who records advertisements, alters them, and
sends them again; with wall clocks that are wrong, drift and step; and with older vipds among the
hosts: ``python -m sim.forged --help``.

What `sim.watch` promises holds all the same, and no honest advertisement is dropped. Excepted, and
counted:

- *relayed*: what a receiver has never heard, since it was cut off or has booted, is new to it. So
  the forger sends nobody an unaltered advertisement that is later than what it remembers.
- *untagged*: what ucarp, the BSDs and older vipds send is as unprotected as ever. So the forger
  records tagged advertisements only, sends to receivers that look at tags, and not in the name of
  hosts that send none.
- *behind*: a host that lost its file with its clock behind what others remember (it was wrong, or
  is slower than a group of ADVBASE 0 counts) is not heard until it has heard one of them. Then it
  goes on behind that. What is promised begins anew at each such advertisement.
- *restless*: such a host speaks now and then for ever, because every third packet gets lost, and
  those that do not hear it stay backups, so that it does not hear them.
- *held*: a host has got an older vipd, and had no reason to bow out before, or its bow-out was not
  heard. It is held to tags for two intervals; they begin again for a machine that stood still
  meanwhile, and its clock too.
- *doubted*: after a forgery the first advertisement of a host that was never heard is waited out,
  and no other one.
- *chance*: the number of a ucarp or a BSD looks like a tagged one once in 2**16, and is not heard
  then, unless its sender has just been heard without.
- *guessed*: one of 2**14 altered advertisements has the right tag by chance. It counts only if it
  is later than what the receiver remembers.
"""

import os
import sys
from argparse import ArgumentParser
from collections import Counter
from collections.abc import Iterable, Iterator
from math import inf
from multiprocessing import Pool
from random import Random
from time import monotonic

from sim.agenda import RestlessError
from sim.host import SOURCES, Host
from sim.network import Network, arrive
from sim.scenario import Scenario, from_seed, named
from sim.seat import Seat
from sim.vipd import Vipd
from sim.watch import PromiseError
from sim.world import World
from vipd.carp.authenticity import HELD_INTERVALS, Authenticity, Mode
from vipd.carp.host import by_address, in_both
from vipd.carp.packet import Advertisement, Drop, said
from vipd.carp.rank import bows_out
from vipd.carp.tag import Tags, is_newer, sequence_of
from vipd.daemon.vips.counter import RESERVED, Sequence, first

NS = 1_000_000_000
BEGAN = 1_790_000_000 * NS  # when scenarios take place
HOUR, YEAR = 3600.0, 365.25 * 86400
#: By how much wall clocks are off, seconds. The last is a machine without a clock, which boots in
#: 1970.
_OFF = (0.0, 0.0, 0.5, -2.0, HOUR, -HOUR, 40 * HOUR, YEAR, -YEAR, 30 * YEAR, -60 * YEAR)
#: How each host is known in a group of one family, and in one of both.
_NAMES = tuple((by_address(source), in_both(source)) for source in SOURCES)
_FORGED = b"forged".ljust(20)
#: So often a host was not heard that is behind, if that is why a scenario has no end.
_RESTLESS = 1000
#: Recordings that are kept.
_TAPE = 300
_TAGS = Tags(b"love", 1)
_READ = Tags.read  # the forger knows what is right, whatever the receivers take for it


class Daemon:
    """What one host's vipds share: where their sequences begin, and what outlives a process."""

    def __init__(self, world: "ForgedWorld", host: Host) -> None:
        self._world = world
        self._draw = Random(f"clock {world.scenario.seed} {host.number}")
        self.off = self._draw.choice(_OFF) if world.wrong_clocks else 0.0
        self.drift = self._draw.choice((0.0, 0.0, 0.01, -0.01))
        self.file: int | None = None
        self.known: dict[int, dict[bytes, int]] = {}  # by group, as written down
        self.last = 0
        self.lost = False

    def begin(self) -> int:
        """A new process."""
        if self._world.wrong_clocks and self._draw.random() < 0.5:
            self.off = self._draw.choice(_OFF)
        now = self._world.agenda.now
        used = first(self.file, BEGAN + int((now * (1 + self.drift) + self.off) * NS))
        self.reserve(used)
        return used

    def reserve(self, used: int) -> None:
        self.last = self.file = used + RESERVED

    def forget(self) -> None:
        """The machine is gone, and /run with it."""
        self.file, self.lost = None, True
        self.known = {}


class Sent:
    """When each sequence was sent, first and last: a host without its file may use it again."""

    def __init__(self) -> None:
        self._times: dict[tuple[bytes, int, int], tuple[float, float]] = {}
        self._latest: dict[tuple[bytes, int], int] = {}
        self._fallen_back: set[tuple[bytes, int, int]] = set()

    def note(self, ad: Advertisement, now: float) -> None:
        sequence = sequence_of(ad.counter)
        key, group = (ad.host, ad.vhid, sequence), (ad.host, ad.vhid)
        self._times[key] = self._times.get(key, (now,))[0], now
        if is_newer(self._latest.get(group, sequence), sequence):
            self._fallen_back.add(key)
        else:
            self._latest[group] = sequence

    def is_behind(self, ad: Advertisement) -> bool:
        """Whether its host had sent later sequences before it."""
        return (ad.host, ad.vhid, sequence_of(ad.counter)) in self._fallen_back

    def is_later(self, ad: Advertisement, heard: int) -> bool:
        """Whether it was sent after this sequence of its host, which somebody has heard: then it is
        no copy, and was not overtaken."""
        sequence = sequence_of(ad.counter)
        first_sent, sent = self._times[ad.host, ad.vhid, sequence]
        if sequence == heard:
            return sent > first_sent
        return sent > self._times.get((ad.host, ad.vhid, heard), (-inf, -inf))[1]

    def when(self, ad: Advertisement) -> float:
        return self._times[ad.host, ad.vhid, sequence_of(ad.counter)][1]


class TaggedVipd(Vipd):
    """``tags``: it is a vipd that knows them."""

    world: "ForgedWorld"

    def __init__(self, world: World, host: Host, group: int) -> None:
        super().__init__(world, host, group)
        assert isinstance(world, ForgedWorld)
        self.daemon = self.world.daemons[host.number]
        self.tags = True
        self.numbers = Sequence(self.daemon, 0)
        self.authenticity = Authenticity()
        self._begun = self._written_at = -inf
        #: When the latest sequence of each host was heard; of the last tagged advertisement of each
        #: that this process heard: when it was sent, and when it was heard.
        self.learnt: dict[bytes, float] = {}
        self.told: dict[bytes, tuple[float, float]] = {}
        #: Whether that was a bow-out, and when we would have given that host up.
        self.held: dict[bytes, tuple[bool, float]] = {}
        self.doubted: dict[bytes, int] = {}  # hosts, and the sequence that each has shown

    def start(self) -> None:
        if self.world.agenda.now > self._begun and self.group == 0:
            self.world.begin(self.host)
        self.tags = self.world.tags[self.host.number]
        self.numbers = Sequence(self.daemon, self.world.begins[self.host.number])
        self.authenticity = Authenticity(self.world.mode(self.host))
        self.authenticity.remember(self.daemon.known.get(self.group, {}), self.host.clock())
        self._written_at = self.world.agenda.now
        self.told.clear()
        self.held.clear()
        self.doubted.clear()
        super().start()

    def counter(self) -> int:
        if not self.tags:
            return super().counter()
        number = next(self.numbers)
        if self._will and not self.numbers.is_before(self._will.number):
            self.leave_will()  # `Will.keep_ahead`
        return number

    def final_counter(self) -> int:
        return self.numbers.last if self.tags else super().final_counter()

    def was_sent(self, counter: int) -> None:
        if self.tags:
            self.numbers.skip(counter)
        else:
            super().was_sent(counter)

    def stop(self) -> None:
        self.world.stopped.add(self.host.number)
        super().stop()

    def kill(self) -> None:
        super().kill()
        if self.world.crashing:
            self.daemon.forget()

    def write(self) -> None:
        """What `vipd.daemon.vips.heard_before` does every few seconds."""
        self.daemon.known[self.group] = dict(self.authenticity.known)

    def hear(self, ad: Advertisement) -> None:
        forged = ad.digest is _FORGED
        if not self.tags:
            if not forged:  # it has just become an older one
                super().hear(ad)
            return
        now, tally = self.host.clock(), self.world.tally
        unknown = ad.host not in dict(self.authenticity.known)
        patience = self.machine.parameters.master_down
        new = self.authenticity.judge(ad, ad.host, _TAGS, now, patience, self.host.came)
        if self.world.agenda.now > self._written_at + 10:
            self._written_at = self.world.agenda.now
            self.write()
        sequence = self.authenticity.sequence
        if new is True and sequence is not None:
            self.learnt[ad.host] = self.world.agenda.now
        if sequence is not None:
            self.numbers.skip(sequence)
        if forged:
            tally["forged"] += 1
            if isinstance(new, Drop):
                tally[f"forged, {new.name}"] += 1
            elif new:
                tally["forged, guessed"] += 1
            return  # what a guess can do is what a stranger can
        if isinstance(new, Drop):
            self._dropped(ad, new)
            return
        tally["honest"] += 1
        if sequence is not None:
            self.told[ad.host] = self.world.sent.when(ad), self.world.agenda.now
            if new:
                self.held[ad.host] = bows_out(ad), patience
        if new:
            if sequence is not None and self._is_behind(
                ad
            ):  # with AUTHENTICATE=off; its last bow-out seems to come later
                self.world.watch.disturbed(self.host)
            super().hear(ad)
        elif sequence is None and unknown:
            self._doubts(ad)
        elif self._is_behind(ad):
            self._not_heard(ad)

    def _doubts(self, ad: Advertisement) -> None:
        shows = sequence_of(ad.counter)
        shown = self.doubted.get(ad.host)
        if shown is not None and is_newer(shows, shown):
            raise PromiseError(f"{self} doubts {self.world.sender_of(ad)} once more")
        self.doubted[ad.host] = shows
        self.world.tally["doubted"] += 1
        self.world.watch.disturbed(self.host)

    def _is_behind(self, ad: Advertisement) -> bool:
        """Whether its sender does not know how far we remember it to have been."""
        heard = dict(self.authenticity.known).get(ad.host)
        return heard is not None and self.world.sent.is_later(ad, heard)

    def _not_heard(self, ad: Advertisement) -> None:
        """It says something new, and its number is old."""
        sender = self.world.sender_of(ad)
        if sender is None or not sender.daemon.lost:
            raise PromiseError(f"{sender} is behind although it has its file")
        ours = _NAMES[self.host.number][self.world.scenario.both]
        sent, heard = sender.told.get(ours, (-inf, -inf))
        if sent > self.learnt.get(ad.host, -inf) and self.world.sent.when(ad) > heard:
            raise PromiseError(f"{sender} is behind although it has heard {self}")
        self.world.tally["behind"] += 1
        self.world.watch.disturbed(self.host, sender.host)

    def _dropped(self, ad: Advertisement, drop: Drop) -> None:
        """An honest advertisement was dropped: a fault, but for one that is behind, for a while."""
        sender = self.world.sender_of(ad)
        if drop is Drop.REPEATED and (self._is_behind(ad) or self.world.sent.is_behind(ad)):
            self._not_heard(ad)  # or its sender has just caught up, and has overtaken it
            return
        if drop is Drop.FORGED and (sender is None or not sender.tags):
            self.world.tally["chance"] += 1
            self.world.watch.disturbed(self.host)
            return
        if drop is Drop.UNTAGGED and sender is None and self.authenticity.mode is Mode.STRICT:
            self.world.tally["strangers"] += 1  # it is told not to hear them
            return
        if drop is Drop.UNTAGGED and sender is not None and self._holds(sender, ad):
            self.world.tally["held"] += 1
            self.world.watch.disturbed(self.host)
            return
        text = f"{self} drops what {sender} means: {drop.name} {said(ad)}"
        raise PromiseError(f"{self.world.agenda.now:.3f}: {text}")

    def _holds(self, sender: "TaggedVipd", ad: Advertisement) -> bool:
        """Whether its sender has got an older vipd so lately that we may not know it."""
        bowed_out, patience = self.held.get(ad.host, (False, 0.0))
        lasts = max(HELD_INTERVALS * sender.interval, patience)
        changed = self.world.older_since.get(sender.host.number, -inf)
        lately = self.world.agenda.now - changed < lasts
        paused = self.host.clock() - self.host.misled[0] < lasts
        return not sender.tags and not bowed_out and (lately or paused)


class TaggedNetwork(Network):
    def __init__(self, world: "ForgedWorld") -> None:
        super().__init__(world)
        self._world = world

    def _send(self, seat: Seat, ad: Advertisement, family: int) -> None:
        if isinstance(seat, TaggedVipd) and seat.tags:
            ad = ad._replace(counter=_TAGS.counter(ad.counter, ad.host, said(ad)))
            self._world.sent.note(ad, self._world.agenda.now)
            self._world.forger.records(ad)
        super()._send(seat, ad, family)


class Forger:
    """Hears everything, and sends to whom it likes."""

    def __init__(self, world: "ForgedWorld") -> None:
        self._world = world
        self._draw = Random(f"forger {world.scenario.seed}")
        self._tape: list[Advertisement] = []
        self._every = self._draw.choice((0.05, 0.2, 1.0)) * min(
            s.master_down for plan in world.scenario.hosts for s in plan.settings
        )
        self._left = self._draw.choice((100, 1000))  # so often it acts at most

    def records(self, ad: Advertisement) -> None:
        if len(self._tape) < _TAPE:
            self._tape.append(ad)
        else:
            self._tape[self._draw.randrange(_TAPE)] = ad

    def begin(self) -> None:
        self._world.agenda.at(self._world.agenda.now + self._draw.random(), self._acts)

    def _acts(self) -> None:
        self._left -= 1
        if self._left > 0:
            pause = self._draw.expovariate(1 / self._every)
            self._world.agenda.at(self._world.agenda.now + pause, self._acts)
        if self._tape:
            chosen = self._tape[-1] if self._draw.random() < 0.3 else self._draw.choice(self._tape)
            for _ in range(self._draw.choice((1, 1, 1, 5))):
                self._sends(self._altered(chosen))

    def _altered(self, ad: Advertisement) -> Advertisement:
        draw = self._draw
        if draw.random() < 0.3:
            return ad
        words = draw.choice(
            (
                (255, 255, 0),
                (255, 255, 1),
                (0, 1, 0),
                (254, ad.advskew, 1),
                (1, 0, 0),
                (draw.randrange(256), draw.randrange(256), draw.randrange(3)),
            )
        )
        if words == said(ad):
            words = (255, 255, 9)
        advbase, advskew, demotion = words
        ad = ad._replace(advbase=advbase, advskew=advskew, demotion=demotion)
        if draw.random() < 0.3:
            number = draw.randrange(len(SOURCES))
            source = SOURCES[number]
            host = _NAMES[number][self._world.scenario.both]
            hosts = self._world.hosts
            if number >= len(hosts) or self._world.is_tagged(hosts[number]):
                ad = ad._replace(source=source, host=host)
        return ad

    def _sends(self, ad: Advertisement) -> None:
        sender = self._world.sender_of(ad)
        if sender is not None and not self._world.is_tagged(sender.host):
            return
        for host in self._world.hosts:
            seat = host.seats[ad.vhid - 1]
            if not isinstance(seat, TaggedVipd) or not seat.tags or ad.host in _NAMES[host.number]:
                continue
            if seat.authenticity.mode is Mode.OFF or self._draw.random() < 0.3:
                continue
            # Not before what is on its way: nobody is faster than the switch.
            weather = self._world.scenario.weather
            when = self._world.agenda.now + 2 * weather.slowest
            self._world.agenda.at(when, self._arrives, host, seat, ad)

    def _arrives(self, host: Host, seat: TaggedVipd, ad: Advertisement) -> None:
        """Unless that were to relay what this host has not heard yet; see above."""
        known = dict(seat.authenticity.known).get(ad.host)
        is_new = known is None or is_newer(sequence_of(ad.counter), known) or host.frozen
        if is_new and _READ(_TAGS, ad, ad.host).name == "GENUINE":
            self._world.tally["relayed"] += 1
            return
        arrive(host, ad._replace(digest=_FORGED))


class ForgedWorld(World):
    """``begins``: where the sequences of each host's vipd begin; ``tags``: whether it has any."""

    def __init__(self, scenario: Scenario, keep_story: bool = False) -> None:
        draw = Random(f"forged {scenario.seed}")
        self.scenario = scenario
        self.tally = Counter[str]()
        self.sent = Sent()
        self.wrong_clocks = draw.random() < 0.7
        vipds = [plan.kind == "vipd" for plan in scenario.hosts]
        old = draw.random() < 0.3
        self.tags = [vipd and not (old and draw.random() < 0.5) for vipd in vipds]
        self._changes = draw.random() < 0.3  # whether a stop may be an upgrade, or the opposite
        self._strict = all(self.tags) and not self._changes and draw.random() < 0.3
        self._off = {n for n in range(len(vipds)) if draw.random() < 0.1}
        self._draw = draw
        self.crashing = False
        self.begins: dict[int, int] = {}
        self.older_since: dict[int, float] = {}  # when a host got an older vipd
        self.stopped: set[int] = set()  # hosts whose vipd was asked to end: its bow-out was heard
        self.daemons: list[Daemon] = []
        super().__init__(scenario, keep_story)
        self.network = TaggedNetwork(self)
        self.forger = Forger(self)
        crash = self.faults._crash

        def crashes(host: Host, fault: object) -> object:
            self.crashing = True
            undo = crash(host, fault)  # type: ignore[arg-type]
            self.crashing = False
            return undo

        self.faults._begin["crash"] = crashes  # type: ignore[index, assignment]

    def _seat(self, host: Host, group: int) -> Seat:
        if host.plan.kind != "vipd":
            return super()._seat(host, group)
        if len(self.daemons) <= host.number:
            missing = self.hosts[len(self.daemons) : host.number + 1]
            self.daemons += [Daemon(self, each) for each in missing]
        return TaggedVipd(self, host, group)

    def begin(self, host: Host) -> None:
        """A new vipd on this host."""
        if self._changes and host.number in self.stopped and self._draw.random() < 0.3:
            self.tags[host.number] = not self.tags[host.number]
            self.older_since[host.number] = self.agenda.now
        self.stopped.discard(host.number)
        self.begins[host.number] = self.daemons[host.number].begin()

    def mode(self, host: Host) -> Mode:
        if host.number in self._off:
            return Mode.OFF
        return Mode.STRICT if self._strict else Mode.AUTO

    def is_tagged(self, host: Host) -> bool:
        return self.tags[host.number]

    def sender_of(self, ad: Advertisement) -> TaggedVipd | None:
        for host in self.hosts:
            if ad.host in _NAMES[host.number]:
                seat = host.seats[ad.vhid - 1]
                return seat if isinstance(seat, TaggedVipd) else None
        return None

    def run(self) -> None:
        self.forger.begin()
        super().run()


Played = tuple[Counter[str], list[tuple[int, str]]]


def play(seeds: Iterable[int]) -> Played:
    """Play the scenarios of these seeds, here: what was seen, and what did not hold."""
    seen, broken = Counter[str](), []
    for seed in seeds:
        tally, wrong = verdict(from_seed(seed))
        if wrong:
            broken.append((seed, wrong))
        seen += tally
        seen["scenarios"] += 1
    return seen, broken


def verdict(scenario: Scenario) -> tuple[Counter[str], str]:
    """What is seen in it, and what does not hold, or ""."""
    world = ForgedWorld(scenario)
    try:
        world.run()
    except PromiseError as error:
        if isinstance(error.__cause__, RestlessError) and world.tally["behind"] >= _RESTLESS:
            world.tally["restless"] += 1
            return world.tally, ""
        return world.tally, str(error)
    return world.tally, ""


def play_on_all(first_seed: int, scenarios: int, jobs: int) -> Iterator[Played]:
    end = first_seed + scenarios
    parts = (range(seed, min(seed + 25, end)) for seed in range(first_seed, end, 25))
    with Pool(jobs) as pool:
        yield from pool.imap_unordered(play, parts)


def main() -> int:
    parser = ArgumentParser(prog="sim.forged", description=__doc__)
    parser.add_argument("-n", "--scenarios", type=int, default=2_000)
    parser.add_argument("--first", type=int, default=0, metavar="SEED")
    parser.add_argument("-j", "--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--story", metavar="SEED_OR_FILE", help="tell the story of one")
    options = parser.parse_args()
    if options.story is not None:
        world = ForgedWorld(named(options.story), keep_story=True)
        try:
            world.run()
        except PromiseError as error:
            print(*(world.story or ()), f"BROKEN {error}", sep="\n")
        print(dict(world.tally))
        return 0
    began, seen, broken, said = monotonic(), Counter[str](), 0, 0
    for tally, failed in play_on_all(options.first, options.scenarios, options.jobs):
        seen += tally
        broken += len(failed)
        if seen["scenarios"] // 1000 > said:
            said = seen["scenarios"] // 1000
            print(f"{seen['scenarios']:,} in {monotonic() - began:.0f} s", flush=True)
        for seed, text in failed:
            print(f"seed {seed}: {text}", flush=True)
    print(f"{monotonic() - began:.0f} s, {broken} broken", dict(sorted(seen.items())))
    return bool(broken)


if __name__ == "__main__":
    sys.exit(main())
