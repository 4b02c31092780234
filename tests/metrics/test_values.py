"""What a daemon tells Prometheus is what happened."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from helpers.asking import ask
from helpers.configured import PASSWORD, QUICK, VIP, write_script, write_vip
from helpers.forging import frame, send, signed
from helpers.hosts import ip
from helpers.scraping import listening, scrape, served, wait_until_told

from metrics.test_alerts import promtool_program
from vipd import __version__
from vipd.daemon.metrics.families import FAMILIES
from vipd.lab import Host, Lab, Process

pytestmark = pytest.mark.lab

SECOND = "198.51.100.155"
ONE = {"id": "001", "vhid": "1", "interface": "eth1"}
PEER = "198.51.100.7"


@pytest.fixture
def daemon(lab: Lab, web01: Host, files: Path) -> Process:
    """A vipd that is master of a VIP and serves its metrics."""
    listening(files)
    write_vip(files, OPTIONS=f"{QUICK} --advskew=10")
    process = web01.vipd(files)
    lab.wait_owner(VIP, "web01")
    served(process)
    return process


def test_a_master_that_gives_way_to_a_better_one(
    daemon: Process, web01: Host, web02: Host, files: Path
) -> None:
    # It has to be backup for longer than a text of the metrics is used again, which is a second.
    write_vip(files, OPTIONS="--deadratio=5 --advskew=10")
    daemon.wait_for("changed in place: deadratio")
    at_first = wait_until_told(
        web01, lambda told: told.values("vipd_advertisements_sent_total", **ONE)[0] >= 2
    )
    assert at_first.value("vipd_state", **ONE) == 2
    assert at_first.value("vipd_vip_info", **ONE, address=VIP) == 1
    assert at_first.value("vipd_lease_renewals_total", **ONE) >= 1
    assert at_first.value("vipd_lease_lapses_total", **ONE) == 0
    assert at_first.values("vipd_master_heard_seconds") == []
    assert at_first.value(
        "vipd_transitions_total", **ONE, state="MASTER", reason="MASTER_DOWN"
    ) == 1  # fmt: skip
    for phase in ("address", "announcement", "advertisement"):
        assert at_first.value("vipd_takeover_seconds_count", **ONE, phase=phase) == 1
        assert 0 < at_first.value("vipd_takeover_seconds_sum", **ONE, phase=phase) < 1
        assert at_first.value("vipd_takeover_seconds_bucket", **ONE, phase=phase, le="+Inf") == 1

    send(web02, frame(signed(source=PEER).build()))
    then = wait_until_told(web01, lambda told: told.value("vipd_state", **ONE) == 1)
    assert then.value("vipd_advertisements_received_total", **ONE) == 1
    assert 0 <= then.value("vipd_master_heard_seconds", **ONE) < 5
    reason = "PREFERRED_MASTER"
    assert then.value("vipd_transitions_total", **ONE, state="BACKUP", reason=reason) == 1

    again = wait_until_told(web01, lambda told: told.value("vipd_state", **ONE) == 2)
    silence = again.value("vipd_takeover_seconds_sum", **ONE, phase="silence")
    assert 4.9 < silence < 14  # deadratio 5 of a host that spoke once


def test_checks_and_sickness(web01: Host, files: Path, tmp_path: Path) -> None:
    listening(files)
    state = tmp_path / "state"
    state.write_text("exit 0\n")
    check = write_script(tmp_path / "check", f". {state}")
    # As long as a run may take on a busy machine; else it would be killed after an interval.
    times = {"CHECK_INTERVAL": "0.2", "CHECK_TIMEOUT": "20", "CHECK_FALL": "1"}
    times |= {"CHECK_USER": "root"}
    write_vip(files, CHECK_Web=str(check), CHECK_DB="/bin/true", **times)
    served(web01.vipd(files))
    web, db = ONE | {"check": "web"}, ONE | {"check": "db"}
    told = wait_until_told(web01, lambda told: told.values("vipd_check_ok") == [1, 1])
    assert told.value("vipd_sick", **ONE) == 0
    assert told.value("vipd_check_runs_total", **web, result="ok") >= 1
    assert told.value("vipd_check_runs_total", **web, result="failed") == 0
    assert 0 < told.value("vipd_check_seconds", **web) < 10

    state.write_text("exit 1\n")
    told = wait_until_told(web01, lambda told: told.value("vipd_sick", **ONE) == 1)
    assert told.value("vipd_check_ok", **web) == 0
    assert told.value("vipd_check_ok", **db) == 1
    assert told.value("vipd_check_runs_total", **web, result="failed") >= 1


@pytest.mark.usefixtures("daemon")
def test_dropped_packets_are_counted_by_reason_and_for_whom(web01: Host, web02: Host) -> None:
    wrong = frame(signed(source=PEER, password="another").build())
    strange = frame(signed(source=PEER, vhid=1).but(ttl=1).build())
    send(web02, wrong, wrong, strange)
    told = wait_until_told(
        web01,
        lambda told: (
            sum(told.values("vipd_packets_dropped_total")) == 3
            # What explains a wrong digest is searched in small steps, beside everything else.
            and told.values("vipd_problems_total", **ONE, code="DIGEST") != []
        ),
    )
    assert told.value("vipd_packets_dropped_total", **ONE, reason="DIGEST") == 2
    assert told.value("vipd_packets_dropped_total", **ONE, reason="TTL") == 1
    # told once a minute, however often it is dropped
    assert told.value("vipd_problems_total", **ONE, code="DIGEST") == 1


def test_missed_advertisements_are_counted(web01: Host, web02: Host, files: Path) -> None:
    listening(files)
    write_vip(files, OPTIONS="--deadratio=200")
    served(web01.vipd(files))
    ad = frame(signed(source=PEER, advbase=0, advskew=8).build())  # every 1/32 s, it says
    send(web02, ad)
    wait_until_told(
        web01, lambda told: told.value("vipd_advertisements_received_total", **ONE) == 1
    )
    send(web02, ad)
    told = wait_until_told(
        web01, lambda told: told.value("vipd_advertisements_received_total", **ONE) == 2
    )
    assert told.value("vipd_advertisements_late_total", **ONE) == 1
    assert told.value("vipd_advertisements_missed_total", **ONE) >= 1


def test_scripts_are_counted_from_their_first_run_on(
    lab: Lab, web01: Host, files: Path, tmp_path: Path
) -> None:
    up = write_script(tmp_path / "up", 'sleep 0.2; ip addr add "$2/32" dev "$1"; exit 3')
    down = write_script(tmp_path / "down", "exit 0")
    listening(files)
    write_vip(
        files,
        UPSCRIPT=str(up),
        DOWNSCRIPT=str(down),
        OPTIONS=f"{QUICK} --neutral",
        NOTIFY="/bin/false",
    )
    served(web01.vipd(files))
    lab.wait_owner(VIP, "web01")
    told = wait_until_told(
        web01, lambda told: told.value("vipd_script_runs_total", script="upscript", **ONE) == 1
    )
    assert told.value("vipd_script_failures_total", script="upscript", **ONE) == 1
    assert 0.2 <= told.value("vipd_script_seconds_total", script="upscript", **ONE) < 5
    assert told.value("vipd_script_runs_total", script="downscript", **ONE) == 0
    told = wait_until_told(
        web01, lambda told: told.value("vipd_script_runs_total", script="notify", **ONE) == 2
    )
    assert told.value("vipd_script_failures_total", script="notify", **ONE) == 2
    assert told.value("vipd_notifications_lost_total", **ONE) == 0
    assert 0.2 <= told.value("vipd_takeover_seconds_sum", phase="script", **ONE) < 5
    assert 0.1 <= told.value("vipd_takeover_seconds_sum", phase="address", **ONE) < 5


def test_a_frozen_daemon_tells_how_late_it_was_and_that_its_lease_lapsed(
    daemon: Process, lab: Lab, web01: Host
) -> None:
    daemon.freeze()
    lab.wait_owner(VIP, None)
    daemon.thaw()
    told = wait_until_told(web01, lambda told: told.value("vipd_lease_lapses_total", **ONE) == 1)
    late = told.value("vipd_loop_late_seconds_count") - told.value(
        "vipd_loop_late_seconds_bucket", le="0.25"
    )
    assert late >= 1
    assert told.value("vipd_loop_late_seconds_sum") >= 0.5


def test_a_vip_that_goes_takes_its_metrics_with_it(
    daemon: Process, lab: Lab, web01: Host, files: Path
) -> None:
    write_vip(files, "002", VIP_ADDRESS=SECOND, OPTIONS=QUICK)
    lab.wait_owner(SECOND, "web01")
    assert scrape(web01).value("vipd_state", id="002") == 2
    (files / "vip-002.conf").unlink()
    told = wait_until_told(web01, lambda told: told.values("vipd_state", id="002") == [])
    assert 'id="002"' not in told.text
    assert told.value("vipd_state", id="001") == 2
    assert daemon.alive


def test_the_text_is_what_prometheus_wants(daemon: Process, web01: Host, web02: Host) -> None:
    send(web02, frame(signed(source=PEER).build()), frame(signed(password="another").build()))
    daemon.wait_for("bad digest")
    told = scrape(web01)
    assert told.status == 200
    assert told.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    done = subprocess.run(
        [promtool_program(), "check", "metrics"],
        input=told.text,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
    headed = re.findall(r"^# TYPE (vipd_\w+) (\w+)$", told.text, re.MULTILINE)
    assert headed == [(family.name, family.kind) for family in FAMILIES]
    assert told.value("vipd_build_info", version=__version__) == 1
    assert told.value("process_resident_memory_bytes") > 1e6
    assert PASSWORD not in re.findall(r"\w+", told.text)


def test_interfaces_that_are_gone_are_no_trouble(daemon: Process, web01: Host) -> None:
    ip(web01, "link del eth1")
    told = wait_until_told(web01, lambda told: told.value("vipd_state", **ONE) == 0)
    assert told.value("vipd_transitions_total", state="INIT", reason="LINK_DOWN", **ONE) == 1
    assert daemon.alive


def test_reloads_and_what_is_wrong_in_the_files(
    daemon: Process, lab: Lab, web01: Host, files: Path
) -> None:
    before = scrape(web01)
    assert before.value("vipd_reloads_total") == 1
    assert before.value("vipd_reloaded_vips_total", result="started") == 1
    assert before.value("vipd_config_problems", severity="error") == 0
    mark = daemon.mark()
    write_vip(files, "002", VIP_ADDRESS=SECOND, OPTIONS="--advskew=900")
    write_vip(files, OPTIONS=f"{QUICK} --advskew=12")
    daemon.wait_for("vip-002.conf", since=mark)
    # One may be read before the other is written.
    told = wait_until_told(
        web01, lambda told: told.values("vipd_reloaded_vips_total", result="changed") == [1]
    )
    assert told.value("vipd_config_problems", severity="error") == 1
    assert told.value("vipd_reloads_total") >= 2
    assert lab.owners(VIP) == ["web01"]


def test_a_vip_that_broke_is_told_of(web01: Host, lab: Lab, files: Path) -> None:
    # IPv6 switched off: the kernel refuses the second VIP's addresses, whenever it is tried
    web01.run(["sh", "-c", "echo 1 >/proc/sys/net/ipv6/conf/eth1/disable_ipv6"])
    listening(files)
    write_vip(files, OPTIONS=QUICK)
    write_vip(files, "002", VIP_ADDRESS=f"{SECOND} 2001:db8::155", OPTIONS=QUICK)
    served(web01.vipd(files))
    lab.wait_owner(VIP, "web01")
    wait_until_told(web01, lambda told: told.value("vipd_vip_failures_total", id="002") >= 2)


def test_maintenance_is_told_of(daemon: Process, lab: Lab, web01: Host) -> None:
    assert scrape(web01).value("vipd_maintenance", **ONE) == 0
    ask(daemon, "Describe")  # it can be asked
    vipctl = [sys.executable, "-m", "vipd.cli.main", "--runtime-dir", "/run/vipd"]
    done = web01.run([*vipctl, "maintenance", "on"])
    assert "stays backup until" in done.stdout, done.stdout + done.stderr
    told = wait_until_told(web01, lambda told: told.value("vipd_state", **ONE) == 1)
    assert told.value("vipd_maintenance", **ONE) == 1
    assert lab.owners(VIP) == []
    assert daemon.alive
