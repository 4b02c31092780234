"""What a running daemon logs: in each form, to a journal, and to readers that are stuck."""

import json
import sys
import time
from pathlib import Path
from signal import SIGUSR1

import pytest
from helpers.advertising import go_on
from helpers.captured import capture
from helpers.configured import QUICK, VIP, write_vip
from helpers.forging import advertise, frame, send, signed
from helpers.hosts import until
from helpers.journald import entries, start_journald, start_service, wait_for_entry

from vipd.lab import Host, Lab

pytestmark = pytest.mark.lab

BETTER = signed(source="198.51.100.7", advskew=0)


def structured(text: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in text.splitlines()]


def test_each_event_is_one_json_object_with_its_reason(
    lab: Lab, web01: Host, web02: Host, files: Path
) -> None:
    write_vip(files, OPTIONS="--advskew=10")
    daemon = web01.vipd(files, "--log-format", "json")
    lab.wait_owner(VIP, "web01")
    advertise(web02, BETTER)  # again and again, so that it stays backup
    daemon.wait_for("PREFERRED_MASTER")
    web01.cut()
    daemon.wait_for("LINK_DOWN")
    daemon.stop()
    lines = structured(daemon.log())
    assert all({"time", "level", "message"} <= line.keys() for line in lines)
    states = [
        (line["state"], line["reason"])
        for line in lines
        if str(line["message"]).startswith("Switching to state")
    ]
    assert states[:4] == [
        ("BACKUP", "LINK_UP"),
        ("MASTER", "MASTER_DOWN"),
        ("BACKUP", "PREFERRED_MASTER"),
        ("INIT", "LINK_DOWN"),
    ]
    about_vip = [line for line in lines if line.get("id") == "001"]
    assert all((line["vhid"], line["interface"]) == (1, "eth1") for line in about_vip)
    # ucarp's second line about the same event is for those who read text
    assert sum("preferred master" in str(line["message"]).lower() for line in lines) == 1


@pytest.mark.parametrize("form", ["text", "kv", "json"])
def test_passwords_are_never_logged(
    lab: Lab, web01: Host, web02: Host, files: Path, form: str
) -> None:
    secrets = ("swordfish-1", "swordfish-2", "swordfish-3")
    write_vip(files, OPTIONS=QUICK, PASSWORD=secrets[0])
    write_vip(files, "002", PASSWORD=None, OPTIONS=f"--pass={secrets[1]} --advskew=900")
    daemon = web01.vipd(files, "--log-level", "debug", "--log-format", form)
    lab.wait_owner(VIP, "web01")
    send(web02, *(frame(signed(password=word).build()) for word in ("another", secrets[1])))
    daemon.wait_for("bad digest")
    write_vip(files, OPTIONS=QUICK, PASSWORD=secrets[2])
    daemon.wait_for("changed in place: password")
    write_vip(files, OPTIONS=QUICK, PASSWORD=secrets[2] * 9)
    daemon.wait_for("keeps its old settings")
    daemon.stop()
    assert "swordfish" not in daemon.log()


def test_a_pipe_that_nobody_reads_delays_no_advertisement(
    lab: Lab, web01: Host, web02: Host, files: Path
) -> None:
    write_vip(files, OPTIONS=QUICK)
    dump = capture(web02, "proto", "112")
    web01.must(["mkfifo", "/run/log"])
    web01.start(["sh", "-c", "exec 3<>/run/log; exec sleep 600"])
    until(
        lambda: (
            web01.run(
                ["dd", "if=/dev/zero", "of=/run/log", "bs=4096", "oflag=nonblock"]
            ).stderr.find("unavailable")
            >= 0
        ),
        lambda: "the pipe does not get full",
    )
    vipd = f"{sys.executable} -m vipd.daemon --config-dir {files}"
    daemon = web01.start(["sh", "-c", f"exec {vipd} 2>/run/log"])
    lab.wait_owner(VIP, "web01")
    daemon.signal(SIGUSR1)
    go_on(dump, 1)
    reader = web01.start(["cat", "/run/log"])
    reader.wait_for(r"001: Switching to state: MASTER")
    reader.wait_for(r"001: MASTER on eth1 id 1")


def test_the_journal_finds_the_lines_of_a_vip(lab: Lab, web01: Host, files: Path) -> None:
    start_journald(web01)
    write_vip(files, OPTIONS=QUICK)
    write_vip(files, "010", VIP_ADDRESS="198.51.100.155", VHID="10", OPTIONS=QUICK)
    daemon = start_service(web01, files)
    lab.wait_owner(VIP, "web01")
    found = wait_for_entry(web01, "Switching to state: MASTER", "VIPD_ID=1")
    assert found["VIPD_ID"] == ["001", "1"]
    assert (found["VIPD_STATE"], found["VIPD_REASON"]) == ("MASTER", "MASTER_DOWN")
    assert (found["VIPD_INTERFACE"], found["VIPD_VHID"]) == ("eth1", "1")
    assert (found["PRIORITY"], found["SYSLOG_IDENTIFIER"]) == ("4", "vipd")
    assert found["MESSAGE"] == "001: Switching to state: MASTER (nothing heard from a master)"
    assert found in entries(web01, "VIPD_ID=001")
    assert found in entries(web01, "VIPD_STATE=MASTER", "VIPD_REASON=MASTER_DOWN")
    assert all(e["VIPD_ID"] == ["001", "1"] for e in entries(web01, "VIPD_ID=1"))
    wait_for_entry(web01, "Switching to state: MASTER", "VIPD_ID=10")
    assert daemon.stop() == 0
    wait_for_entry(web01, "stopped on request", "VIPD_ID=1")
    assert daemon.log() == ""  # nothing on the old way


def test_a_journal_that_is_frozen_delays_no_advertisement(
    lab: Lab, web01: Host, web02: Host, files: Path
) -> None:
    journald = start_journald(web01)
    write_vip(files, OPTIONS=QUICK)
    dump = capture(web02, "proto", "112")
    daemon = start_service(web01, files, "--log-format", "kv")
    wait_for_entry(web01, "configuration in")
    journald.freeze()
    lab.wait_owner(VIP, "web01")
    for _ in range(20):  # more than its socket takes, where the system has a small limit
        daemon.signal(SIGUSR1)
        time.sleep(0.02)
    go_on(dump, 1)
    journald.thaw()
    wait_for_entry(web01, "state=MASTER.*message=.MASTER on eth1 id 1", "VIPD_ID=1")
