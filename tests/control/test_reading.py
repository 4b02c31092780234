"""What the control socket tells: VIPs, events, history, problems, and itself."""

import time
from pathlib import Path
from signal import SIGHUP

import pytest
from helpers.asking import Client, RefusedError, ask, socket_of, vip_of
from helpers.configured import VIP, WEB01, WEB02, write_script, write_vip
from helpers.hosts import until
from varlink import Client as OtherClient

from control.conftest import Pair
from vipd import __version__
from vipd.lab import Host, Process
from vipd.lab.host import VIP_DOWN, VIP_UP

pytestmark = pytest.mark.lab


def test_master_and_backup_say_what_they_are_and_what_that_rests_on(pair: Pair) -> None:
    master, backup = vip_of(pair.first), vip_of(pair.second)
    assert (master["id"], master["vhid"], master["interface"]) == ("001", 1, "eth1")
    assert master["addresses"] == [f"{VIP}/32"]
    assert (master["state"], master["mode"], master["source"]) == ("MASTER", "MASTER", WEB01)
    assert (master["lease"], master["manages_address"]) == (3, True)
    assert 0 < master["lease_left"] <= 3
    assert master["sent"] > 0
    assert master.get("takeover_in") is None

    assert (backup["state"], backup["mode"], backup["advskew"]) == ("BACKUP", "BACKUP", 100)
    assert backup["interval"] == pytest.approx(1 + 100 / 256)
    assert backup["heard"]["address"] == WEB01
    assert (backup["heard"]["advbase"], backup["heard"]["advskew"]) == (1, 0)
    assert backup["heard"]["followed"]
    assert 0 < backup["takeover_in"] <= backup["master_down"]
    assert backup["takeover_reason"] == "MASTER_DOWN"
    assert (backup.get("lease_left"), backup["waiting_for"], backup["problems"]) == (None, "", [])
    assert time.time() - 60 < backup["since"] <= time.time()


def test_calls_on_one_connection_are_answered_in_their_order(pair: Pair) -> None:
    with Client(pair.first) as client:
        for _ in range(20):
            client.send("List", more=True)
            client.send("Describe")
        for _ in range(20):
            assert "vips" in client.answer()["parameters"]
            assert client.answer()["parameters"]["version"] == __version__


def test_errors_have_types(pair: Pair) -> None:
    def refused(method: str, *, more: bool = False, **parameters: object) -> tuple[str, object]:
        with Client(pair.first) as client:
            client.send(method, more=more, **parameters)
            with pytest.raises(RefusedError) as caught:
                client.answer()
            assert client.ask("Describe")  # the connection goes on
            return caught.value.name, caught.value.parameters

    assert refused("List", more=True, ids=["009"]) == ("UnknownVip", {"id": "009"})
    assert refused("Demote", ids=["009"]) == ("UnknownVip", {"id": "009"})
    assert refused("Demote", hold=-1)[0] == "OutOfRange"
    assert refused("Demote", hold=1e9)[0] == "OutOfRange"
    assert refused("History", more=True, limit=-1)[0] == "OutOfRange"
    assert refused("Demote", hold="long") == ("InvalidParameter", {"parameter": "hold"})
    assert refused("Demote", what=1) == ("InvalidParameter", {"parameter": "what"})
    assert refused("List") == ("ExpectedMore", {})
    assert refused("Nothing") == ("MethodNotFound", {"method": "Nothing"})
    assert refused("io.example.Nothing")[0] == "InterfaceNotFound"


def test_another_implementation_of_varlink_understands_what_we_say(pair: Pair) -> None:
    with OtherClient(f"unix:{socket_of(pair.first)}") as client, client.open("io.vipd") as vipd:
        assert vipd.Describe()["version"] == __version__
        (answer,) = vipd.List(_more=True)
        assert [vip["state"] for vip in answer["vips"]] == ["MASTER"]
        with client.open("org.varlink.service") as service:
            info = service.GetInfo()
        assert (info["product"], info["version"]) == ("vipd", __version__)
        assert info["interfaces"] == ["io.vipd", "org.varlink.service"]


def test_history_has_the_reason_and_the_measured_times_of_a_transition(pair: Pair) -> None:
    with Client(pair.first) as client:
        events = client.history("001")
    up, master = [event["transition"] for event in events if event.get("transition")]
    assert (up["old"], up["new"], up["reason"]) == ("INIT", "BACKUP", "LINK_UP")
    assert (master["old"], master["new"]) == ("BACKUP", "MASTER")
    assert 0 < master["address"] < master["announcement"] < master["advertisement"] < 5
    assert [event["number"] for event in events] == sorted(event["number"] for event in events)


def test_history_survives_a_reload_and_what_becomes_of_the_vip(web01: Host, files: Path) -> None:
    vip = write_vip(files)
    daemon = web01.vipd(files)
    daemon.wait_for("state: MASTER", timeout=60)
    vip.unlink()
    daemon.signal(SIGHUP)
    daemon.wait_for("files read: 1 stopped", timeout=60)
    with Client(daemon) as client:
        until(lambda: client.vips() == {}, daemon.tail)  # it hands over first
        reasons = [e["transition"]["reason"] for e in client.history("001") if e.get("transition")]
        assert reasons == ["LINK_UP", "MASTER_DOWN", "STOPPED"]
        kinds = {event["kind"] for event in client.history("")}
        assert kinds - {"LATE"} == {"RELOAD"}  # a busy machine lets it wait for half a second
        limited = [e for answer in client.stream("History", limit=2) for e in answer["events"]]
        assert limited == client.history()[-2:]


def test_a_script_tells_how_long_it_took_and_when_the_address_was_there(
    web01: Host, files: Path, tmp_path: Path
) -> None:
    slow = write_script(tmp_path / "up", f'sleep 0.3; {VIP_UP} "$@"; sleep 0.3')
    write_vip(files, UPSCRIPT=str(slow), DOWNSCRIPT=VIP_DOWN, OPTIONS="--deadratio=1 --neutral")
    daemon = web01.vipd(files)
    daemon.wait_for(
        r"^<6>001: upscript ended after 0\.[6-9]|^<6>001: upscript ended after [1-9]", timeout=30
    )
    with Client(daemon) as client:
        transition, script = client.history("001")[-2:]
        vip = client.vips()["001"]
    assert transition["transition"].get("address") is None  # not ours to add
    assert script["script"]["which"] == "upscript"
    assert script["script"]["cause"] == transition["number"] == vip["event"]
    assert 0.3 < script["script"]["address"] < script["script"]["seconds"] + 0.1
    assert vip["script_last"] == script["script"]
    assert not vip["manages_address"]


def test_a_script_that_fails_is_a_problem(web01: Host, files: Path, tmp_path: Path) -> None:
    broken = write_script(tmp_path / "up", f'{VIP_UP} "$@"; exit 3')
    write_vip(files, UPSCRIPT=str(broken), OPTIONS="--deadratio=1 --neutral")
    daemon = web01.vipd(files)
    daemon.wait_for("upscript failed: exit status 3", timeout=60)
    vip = vip_of(daemon)
    assert vip["script_failed"]["status"] == 3
    assert [problem["code"] for problem in vip["problems"]] == ["script_failed"]


def test_a_vip_that_broke_says_why_and_is_tried_again(web01: Host, files: Path) -> None:
    off = "echo 1 >/proc/sys/net/ipv6/conf/eth1/disable_ipv6"
    assert web01.run(["sh", "-c", off]).returncode == 0
    write_vip(files, VIP_ADDRESS=f"{VIP} 2001:db8::154", OPTIONS="--deadratio=1")
    daemon = web01.vipd(files)
    daemon.wait_for("001: failed: .*; starts again in 2 s", timeout=60)
    vip = vip_of(daemon)
    while not vip["waiting_for"].startswith("failed: "):  # it is being tried once more
        vip = vip_of(daemon)
    assert vip["state"] == "INIT"
    assert [(p["code"], p["text"]) for p in vip["problems"]] == [("failed", vip["waiting_for"])]
    with Client(daemon) as client:
        assert "FAILURE" in {event["kind"] for event in client.history("001")}
        assert {problem["code"] for problem in client.problems()} == {"failed"}


def test_monitor_tells_what_happens_when_it_happens(pair: Pair) -> None:
    with Client(pair.second) as client:
        stream = client.stream("Monitor", ids=["001"])
        assert next(stream) == {"events": []}
        pair.first.kill()
        events = next(stream)["events"]
    assert [e["transition"]["new"] for e in events if e.get("transition")] == ["MASTER"]


def test_monitor_begins_where_somebody_left_off(pair: Pair) -> None:
    with Client(pair.first) as client:
        known = client.history()
        stream = client.stream("Monitor", after=known[0]["number"])
        assert next(stream) == {"events": []}
        assert next(stream)["events"] == known[1:]


def test_monitor_begins_with_however_many_events_are_known(web01: Host, files: Path) -> None:
    """255 VIPs have 16,000; more than may happen while a client does not read."""
    names = [f"{number:03}" for number in range(1, 31)]
    for number, name in enumerate(names, 1):
        write_vip(files, name, VHID=str(number), VIP_ADDRESS=f"192.0.2.{number}")
    daemon = web01.vipd(files)
    daemon.wait_for("files read: 30 started", timeout=30)
    with Client(daemon) as client:
        for name in names:
            for _ in range(64):  # each makes an event
                client.send("Demote", ids=[name], hold=0)
            for _ in range(64):
                client.answer()
        known = [event["number"] for event in client.history()]
        assert len(known) > 30 * 64
        seen: list[int] = []
        for answer in client.stream("Monitor", after=0):
            seen += [event["number"] for event in answer["events"]]
            if seen and seen[-1] >= known[-1]:
                break
    # Transitions meanwhile push out the oldest ones of their VIPs.
    assert seen == sorted(set(seen))
    assert len(seen) > 30 * 60
    with Client(daemon) as client:
        answers = client.stream("History", limit=1500)
        last = [event["number"] for answer in answers for event in answer["events"]]
        assert len(last) == 1500
        assert last == sorted(last)
        assert last[-1] >= known[-1]


def test_a_watcher_that_has_gone_is_noticed(pair: Pair) -> None:
    watchers = [Client(pair.first) for _ in range(5)]
    for watcher in watchers:
        watcher.send("Monitor", more=True)
        watcher.answer()
    until(lambda: ask(pair.first, "Describe")["connections"] == 6, pair.first.tail)
    for watcher in watchers:
        watcher.socket.close()
    until(lambda: ask(pair.first, "Describe")["connections"] == 1, lambda: "", timeout=60)


def test_problems_of_files_have_their_place_and_cure(web01: Host, files: Path) -> None:
    write_vip(files, PASSWORD=None)
    write_vip(files, "002", VIP_ADDRESS="198.51.100.155")
    daemon = web01.vipd(files)
    daemon.wait_for("files read", timeout=60)
    with Client(daemon) as client:
        (problem,) = [p for p in client.problems() if p["code"] == "configuration"]
        assert list(client.vips()) == ["002"]
    assert problem["severity"] == "error"
    assert problem["file"].endswith("vip-001.conf")
    assert problem["hint"]


def test_problems_of_the_network_are_proved(pair: Pair, tmp_path: Path) -> None:
    write_vip(tmp_path / "ucarp2", PASSWORD="hate", OPTIONS="--advskew=100")
    pair.second.signal(SIGHUP)

    def told() -> dict[str, object]:
        with Client(pair.first) as client:
            found = {p["code"]: p for p in client.problems()}
            problem: dict[str, object] = found.get("DIGEST", {})
            return problem

    until(lambda: bool(told()), pair.first.tail, timeout=60)
    problem = told()
    assert (problem["id"], problem["interface"]) == ("001", "eth1")
    assert f"packet from {WEB02} for VHID 1 dropped: bad digest" in str(problem["text"])
    (again,) = vip_of(pair.first)["problems"]
    assert (again["code"], again["text"]) == ("DIGEST", problem["text"])


def test_the_daemon_describes_itself(web01: Host, files: Path) -> None:
    write_vip(files)
    daemon: Process = web01.vipd(files, "--log-level=debug")
    daemon.wait_for("files read", timeout=60)
    about = ask(daemon, "Describe")
    assert about["version"] == __version__
    assert about["config_dir"] == str(files)
    assert str(files / "vip-001.conf") in about["files"]
    assert (about["runtime_dir"], about["state_dir"]) == ("/run/vipd", "/run/lab/vipd")
    assert (about["log_level"], about["group"]) == ("debug", "")
    assert about["missing_capabilities"] == []
    assert time.time() - 60 < about["since"] <= time.time()
