"""`vipctl cluster` and `vipctl diff` beside hosts that answer anything, through -e."""

import json
import os
import resource
import signal
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from helpers.configured import write_script, write_vip

from cli.conftest import COMMAND
from cli.samples import BACKUP, MASTER, OTHER, problem
from vipd.api.io_vipd import Signer, VipStatus, plain
from vipd.carp.states import Mode
from vipd.cli.remote.ask import Answer
from vipd.cli.remote.hosts import Reach, reach
from vipd.cli.remote.picture import Picture
from vipd.cli.remote.states import state_of
from vipd.cli.status import Report, as_object
from vipd.lab.waiting import wait_until

Done = subprocess.CompletedProcess[str]
MASTER_TOO = replace(MASTER, source="198.51.100.180")


class Site:
    """Hosts whose answers are files, and those that do something else, by name."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.remote = write_script(
            directory / "into",
            f"""host=$1; shift 2; cd {directory}
            test -f "$host.sh" && exec sh "$host.sh" "$@"
            exec cat "$host.json" """,
        )

    def vips(self, host: str, *vips: VipStatus, **more: Any) -> None:
        """What `vipctl status --json` prints on this host."""
        found = {**as_object(Report(vips, (), 0.0)), **more}
        self.says(host, json.dumps(found, default=plain))

    def says(self, host: str, text: str) -> None:
        (self.directory / f"{host}.json").write_text(text)

    def does(self, host: str, script: str) -> None:
        (self.directory / f"{host}.sh").write_text(script)

    def vipctl(self, command: str, *arguments: str) -> Done:
        words = [*COMMAND, command, "-e", str(self.remote), *arguments]
        return subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)

    def cluster(self, *hosts: str) -> Any:
        """What `vipctl cluster --json` says of these hosts."""
        done = self.vipctl("cluster", "--json", *hosts)
        assert done.stderr == ""
        found = json.loads(done.stdout)
        assert found["status"] == done.returncode
        return found

    def why(self, host: str) -> str:
        """Why there is no answer of a host."""
        (found,) = self.cluster(host)["hosts"]
        assert found["answered"] is False
        return str(found["why"])


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


# What hosts may answer


@pytest.mark.parametrize(
    "text",
    ["", "\n", "{", "[]", "1", '"x"', '{"vips": [', "[" * 100_000, '{"a":' * 100_000, "9" * 5000,
     "\x00", "\xff\xfe{"],
)  # fmt: skip
def test_what_is_no_json_object_is_no_answer(site: Site, text: str) -> None:
    site.says("odd", text)
    assert site.why("odd").startswith(
        ("its answer is not JSON", "no answer; the command ended with status 0")
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("addresses", None), ("addresses", []), ("addresses", ["x"]), ("addresses", [1]),
        ("addresses", ["fe80::1%\x1b[2J"]),
        ("addresses", "198.51.100.1"), ("addresses", ["198.51.100.1"] * 5000),
        ("extra_addresses", ["@eth1"]), ("state", "OWNER"), ("state", 1), ("state", "\ud800"),
        ("id", {}), ("heard", []), ("heard", {"address": "x", "followed": True}),
        ("heard", {"followed": 1}), ("hold_left", "1"), ("hold_left", True),
        ("hold_left", float("inf")), ("hold_left", float("nan")), ("hold_left", 10**400),
        ("maintenance", "no"), ("attention", [None]), ("source", "x"),
    ],
)  # fmt: skip
def test_a_field_of_another_kind_is_no_answer(site: Site, name: str, value: object) -> None:
    vip = {**json.loads(json.dumps(BACKUP, default=plain)), "attention": [], name: value}
    site.says("odd", json.dumps({"vips": [vip], "problems": []}))
    assert site.why("odd").startswith("its answer is not that of vipctl status (")
    del vip[name]
    site.says("odd", json.dumps({"vips": [vip], "problems": []}))
    assert "is missing" in site.why("odd")


def test_what_newer_versions_add_is_ignored(site: Site) -> None:
    site.vips("web01", MASTER, new={"x": [1]})
    assert site.cluster("web01")["status"] == 0


def test_what_a_shell_prints_before_the_answer_is_ignored(site: Site) -> None:
    site.vips("web01", MASTER)
    answer = (site.directory / "web01.json").read_text()
    site.says("web01", f"Welcome to {{web01}}\n\n{answer}\n\n")
    assert site.cluster("web01")["status"] == 0


def test_text_of_a_host_cannot_steer_the_terminal(site: Site) -> None:
    evil = "\x1b]0;x\x07\u202e\r\ud800\udfff"
    vip = {**json.loads(json.dumps(BACKUP, default=plain)), "id": evil, "attention": [evil]}
    site.says("web01", json.dumps({"vips": [vip], "problems": []}))
    site.does("web02", r"printf '\033[2Jgone\n' >&2; exit 1")
    done = site.vipctl("cluster", "web01", "web02")
    assert done.returncode == 2
    assert set(done.stdout) & set("\x1b\x07\u202e\r") == set()
    assert r"\x1b[2Jgone" in done.stdout
    assert r"\x1b]0;x\x07" in done.stdout


@pytest.mark.parametrize("stream", ["", " >&2"])
def test_endless_output_is_cut_off(site: Site, stream: str) -> None:
    site.does("odd", f"exec yes{stream}")
    why = site.why("odd")
    assert why == ("no answer in 3 s" if stream else "its answer is longer than 4 MiB")


def test_a_command_that_asks_finds_nobody(site: Site) -> None:
    site.does("asks", "read -r x </dev/tty || read -r x || exec echo nobody >&2")
    assert site.why("asks") == "nobody"


def test_no_answer_in_3_s_and_all_processes_are_gone(site: Site) -> None:
    site.does("slow", "sleep 600 & echo $! >child; echo $$ >parent; wait")
    site.vips("web01", MASTER)
    found = site.cluster("web01", "slow")
    web01, slow = found["hosts"]
    assert (found["status"], web01["answered"], slow["why"]) == (2, True, "no answer in 3 s")
    assert slow["seconds"] >= 3
    _gone(site.directory / "child")
    _gone(site.directory / "parent")


def test_what_a_command_leaves_behind_is_not_waited_for(site: Site) -> None:
    """As ssh does with ControlPersist: the one in the background keeps stderr."""
    site.vips("web01", MASTER)
    site.does("web01", "setsid sleep 60 & echo $! >child; cat web01.json")
    found = site.cluster("web01")
    child = int((site.directory / "child").read_text())
    os.kill(child, signal.SIGKILL)
    assert (found["status"], found["hosts"][0]["answered"]) == (0, True)


def test_ctrl_c_ends_it_with_all_processes(site: Site) -> None:
    site.does("slow", "echo $$ >parent; exec sleep 600")
    words = [*COMMAND, "cluster", "-e", str(site.remote), "slow"]
    with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        file = site.directory / "parent"
        wait_until(
            lambda: (file.exists() and file.read_text().strip()) or None,
            timeout=30,
            complaint=lambda: "it was not started",
        )
        process.send_signal(signal.SIGINT)
        _, complaint = process.communicate(timeout=60)
        assert process.returncode != 0  # 130, unless the 3 s were over already
        assert b"Traceback" not in complaint
    _gone(file)


def _gone(file: Path) -> None:
    process = Path("/proc", file.read_text().strip())
    wait_until(
        lambda: not process.exists() or None,
        timeout=30,
        complaint=lambda: f"{process} still runs",
    )


def test_what_vipctl_complains_of_there_is_shown(site: Site) -> None:
    site.does("a", "echo 'vipctl: vipd does not run\n    start it' >&2; exit 2")
    site.does("b", "echo 'sh: 1: vipctl: not found' >&2; exit 127")
    site.does("c", "exit 3")
    assert site.why("a") == "vipd does not run"
    assert site.why("b") == "sh: 1: vipctl: not found"
    assert site.why("c") == "no answer; the command ended with status 3"


def test_a_command_that_is_not_there(site: Site) -> None:
    site.remote = site.directory / "nowhere"
    assert "nowhere cannot be run: " in site.why("web01")


# Whom it asks


def test_hosts_are_those_of_the_file_unless_they_are_named(site: Site) -> None:
    for host in ("web01", "web02", "web03"):
        site.vips(host)
    directory = site.directory / "ucarp"
    directory.mkdir()
    (directory / "vip-common.conf").write_text("HOSTS='web01 web02'\n")
    where = ("--config-dir", str(directory))
    named = [each["host"] for each in site.cluster(*where)["hosts"]]
    assert named == ["web01", "web02"]
    named = [each["host"] for each in site.cluster(*where, "web03", "web01", "web03")["hosts"]]
    assert named == ["web03", "web01"]
    (directory / "vip-common.conf").write_text("")
    done = site.vipctl("cluster", *where)
    assert (done.returncode, done.stdout) == (2, "")
    assert f'write HOSTS="web01 web02" in {directory}/vip-common.conf' in done.stderr


def test_no_name_is_an_option(site: Site) -> None:
    done = site.vipctl("cluster", "--", "-oProxyCommand=id")
    assert (done.returncode, done.stdout) == (2, "")
    assert "cannot be the name of a host" in done.stderr
    assert "name two hosts" in site.vipctl("diff", "web01").stderr


def test_how_hosts_are_reached() -> None:
    way = Reach(("ssh", "--"), frozenset({"web01"}), ("/usr/bin/vipctl",))
    assert way.words("web02", ["status"]) == ["ssh", "--", "web02", "vipctl", "status"]
    assert way.words("web01", ["status"]) == ["/usr/bin/vipctl", "status"]
    way = reach("ssh -p '22 22'", None)  # type: ignore[arg-type]  # only used without -e
    assert way.words("localhost", ["x"]) == ["ssh", "-p", "22 22", "localhost", "vipctl", "x"]


# Who owns what


def test_no_owner_and_two_owners_are_status_2(site: Site) -> None:
    waiting = replace(BACKUP, heard=None)
    site.vips("web01", waiting)
    site.vips("web02", replace(waiting, source="198.51.100.180"))
    found = site.cluster("web01", "web02")
    assert found["status"] == 2
    assert found["problems"] == [
        {"about": "198.51.100.154", "text": "no host owns it", "serious": True}
    ]
    site.vips("web01", MASTER)
    site.vips("web02", MASTER_TOO)
    found = site.cluster("web01", "web02")
    assert found["status"] == 2
    assert found["problems"][0]["text"] == "two hosts own it: web01, web02"


def test_a_backup_that_follows_a_host_that_says_it_is_backup_has_no_owner(site: Site) -> None:
    site.vips("web01", BACKUP)  # hears 198.51.100.180
    assert site.cluster("web01")["vips"][0]["other_owners"] == ["198.51.100.180"]
    site.vips("web02", replace(BACKUP, source="198.51.100.180", heard=None))
    found = site.cluster("web01", "web02")
    assert (found["status"], found["vips"][0]["other_owners"]) == (2, [])


def test_a_master_that_is_not_asked_counts_as_the_second(site: Site) -> None:
    site.vips("web01", replace(BACKUP, heard=replace(OTHER, address="198.51.100.99")))
    site.vips("web02", MASTER_TOO)
    found = site.cluster("web01", "web02")
    assert found["problems"][0]["text"] == "two hosts own it: web02, 198.51.100.99"


def test_handing_over_is_no_fault(site: Site) -> None:
    site.vips("web01", replace(MASTER, mode=Mode.LEAVING))
    site.vips("web02", MASTER_TOO)
    found = site.cluster("web01", "web02")
    assert (found["status"], found["vips"][0]["owners"]) == (0, ["web02"])


def test_addresses_that_hosts_do_not_have_alike_are_rows_of_their_own(site: Site) -> None:
    site.vips("web01", replace(MASTER, addresses=["198.51.100.1/32", "2001:DB8::1/128"]))
    site.vips("web02", replace(MASTER_TOO, addresses=["198.51.100.1/24", "198.51.100.2/32"]))
    rows = site.cluster("web01", "web02")["vips"]
    assert [(row["addresses"], row["owners"]) for row in rows] == [
        (["198.51.100.1"], ["web01", "web02"]),
        (["198.51.100.2"], ["web02"]),
        (["2001:db8::1"], ["web01"]),
    ]
    assert rows[1]["states"] == {"web01": None, "web02": "MASTER"}


def test_an_extra_address_may_have_no_owner_but_not_two(site: Site) -> None:
    one = replace(MASTER, extra_addresses=["192.0.2.1/24@eth2"])
    two = replace(MASTER_TOO, addresses=["198.51.100.2/32"])
    site.vips("web01", one)
    site.vips("web02", two)
    assert site.cluster("web01", "web02")["status"] == 0
    site.vips("web02", replace(two, extra_addresses=["192.0.2.1/24"]))
    found = site.cluster("web01", "web02")
    assert found["problems"][0] == {
        "about": "192.0.2.1", "text": "two hosts own it: web01, web02", "serious": True,
    }  # fmt: skip


def test_while_a_password_changes_it_is_told_who_signs_with_which(site: Site) -> None:
    signers = [Signer("198.51.100.180", "PASSWORD", 0.4), Signer("198.51.100.9", "both", 2.0)]
    site.vips("web01", replace(BACKUP, password_also=True, signers=signers))
    site.vips("web02", MASTER_TOO)
    site.vips("web03", replace(BACKUP, source="198.51.100.3"))
    assert site.cluster("web01", "web02", "web03")["vips"][0]["signs_with"] == {
        "web01": "both", "web02": "PASSWORD", "web03": "not known", "198.51.100.9": "both",
    }  # fmt: skip
    done = site.vipctl("cluster", "web01", "web02", "web03")
    assert done.returncode == 0
    assert done.stdout.endswith(
        "\n001: two passwords: both on web01 and 198.51.100.9; PASSWORD only on web02; "
        "not known on web03\n"
    )


def test_when_all_hosts_have_the_second_password_the_first_can_go(site: Site) -> None:
    heard = [Signer("198.51.100.9", "PASSWORD_ALSO", 2.0)]
    site.vips("web01", replace(BACKUP, password_also=True, signers=heard))
    site.vips("web02", replace(MASTER_TOO, password_also=True))
    done = site.vipctl("cluster", "web01", "web02")
    assert done.stdout.endswith(
        "\n001: two passwords: both on web01 and web02; PASSWORD_ALSO only on 198.51.100.9; "
        "PASSWORD can go\n"
    )
    assert site.cluster("web01", "web02")["vips"][0]["first_can_go"] is True
    # Who does not answer may have the first one only; and so may a backup with one password.
    assert site.cluster("web01", "web02", "web09")["vips"][0]["first_can_go"] is False
    site.vips("web03", replace(BACKUP, source="198.51.100.3"))
    assert site.cluster("web01", "web02", "web03")["vips"][0]["first_can_go"] is False


def test_attention_on_any_host_is_status_1(site: Site) -> None:
    site.vips("web01", MASTER)
    site.vips("web02", replace(BACKUP, source="198.51.100.180", problems=[problem("worn out")]))
    done = site.vipctl("cluster", "web01.example.org", "web02")
    assert done.returncode == 2  # there is no such file
    done = site.vipctl("cluster", "web01", "web02")
    assert done.returncode == 1
    assert done.stdout.startswith("ATTENTION (web02): 2 hosts, 1 VIP\n")
    assert done.stdout.endswith("! web02: 001: worn out\n")


def test_a_page_has_as_many_lines_as_fit_and_what_is_wrong_comes_first() -> None:
    vips = [replace(MASTER, id=f"{n:03}", addresses=[f"198.51.100.{n}"]) for n in range(1, 100)]
    vips[77] = replace(vips[77], state=BACKUP.state)
    found = json.loads(json.dumps(as_object(Report(tuple(vips), (), 0.0)), default=plain))
    picture = Picture([state_of(Answer("web01", found, "", 0.1))])
    for height in (10, 24, 60):
        lines = picture.lines(colours=False, height=height)
        assert len(lines) == height
        assert "078  198.51.100.78  BACKUP" in lines
        assert lines[-1] == "! 198.51.100.78: no host owns it"
        shown = sum(line.endswith(("MASTER", "BACKUP")) for line in lines)
        assert f"… and {99 - shown} more" in lines
    assert len(picture.lines(colours=False)) == 99 + 5


def test_8_hosts_with_255_vips_cost_less_than_a_second_of_processor_time(site: Site) -> None:
    for number in range(8):
        vips = [
            replace(
                MASTER if n % 8 == number else BACKUP,
                id=f"{n:03}",
                vhid=n,
                addresses=[f"198.51.100.{n}/32"],
                source=f"192.0.2.{number + 1}",
                heard=replace(OTHER, address=f"192.0.2.{n % 8 + 1}"),
            )
            for n in range(1, 256)
        ]
        site.vips(f"web0{number}", *vips)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = site.vipctl("cluster", *(f"web0{number}" for number in range(8)))
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == 0
    assert len(done.stdout.splitlines()) == 255 + 3
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    assert used < 1.0


# What files disagree about


def test_diff_beside_files_and_a_host_that_does_not_answer(site: Site) -> None:
    for host in ("web01", "web02"):
        write_vip(
            site.directory / host, OPTIONS=f"-k{host[-1]}", SOURCE_ADDRESS=f"192.0.2.{host[-1]}"
        )
        site.does(host, f'exec {" ".join(COMMAND)} "$@" --config-dir {site.directory / host}')
    done = site.vipctl("diff", "web01", "web02")
    assert (done.returncode, done.stdout) == (0, "No differences: 2 hosts, 1 VIP.\n")
    site.does("web03", "echo Permission denied. >&2; exit 255")
    done = site.vipctl("diff", "web01", "web02", "web03")
    assert (done.returncode, done.stdout) == (2, "! web03: Permission denied.\n")
    write_vip(site.directory / "web02", "002", VIP_ADDRESS="999")
    done = site.vipctl("diff", "web01", "web02")
    assert done.returncode == 2
    assert done.stdout.startswith("! web02: its files have an error, and VIPs may be missing")
