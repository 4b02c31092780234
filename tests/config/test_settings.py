"""What vip-common.conf says about the daemon as a whole."""

from ipaddress import ip_address
from pathlib import Path

import pytest
from helpers.configured import write_vip

from vipd.config.load import load, load_settings
from vipd.config.model import Tcp, Unix
from vipd.config.problem import Severity
from vipd.config.snapshot import Snapshot


def common(directory: Path, text: str) -> Snapshot:
    (directory / "vip-common.conf").write_text(text)
    return load(directory)


@pytest.mark.parametrize(
    ("written", "listen"),
    [
        ("127.0.0.1:9112", Tcp(ip_address("127.0.0.1"), 9112)),
        ("0.0.0.0:1", Tcp(ip_address("0.0.0.0"), 1)),
        ("[::1]:65535", Tcp(ip_address("::1"), 65535)),
        ("unix:/run/vipd/metrics", Unix("/run/vipd/metrics")),
        ("off", None),
        ("OFF", None),
        ("", None),
    ],
)
def test_metrics_listen(tmp_path: Path, written: str, listen: Tcp | Unix | None) -> None:
    snapshot = common(tmp_path, f'METRICS_LISTEN="{written}"\n')
    assert snapshot.settings.metrics_listen == listen
    assert snapshot.problems == ()
    if listen:
        assert str(listen) == written


def test_metrics_are_off_unless_asked_for(tmp_path: Path) -> None:
    assert load(tmp_path).settings.metrics_listen is None
    assert load(tmp_path / "nowhere").settings.metrics_listen is None


@pytest.mark.parametrize(
    "written",
    ["9112", ":9112", "localhost:9112", "127.0.0.1", "127.0.0.1:0", "127.0.0.1:65536", "::1:9112",
     "127.0.0.1:99999999999", "[127.0.0.1]:9112", "[fe80::1%eth1]:9112", "224.0.0.1:9112", "yes",
     "unix:metrics", "unix:", "unix:/" + "x" * 107, "unix:/run/\x07"],
)  # fmt: skip
def test_what_cannot_be_listened_to_is_an_error_with_its_place(
    tmp_path: Path, written: str
) -> None:
    write_vip(tmp_path)
    snapshot = common(tmp_path, f'\nMETRICS_LISTEN="{written}"\n')
    (problem,) = snapshot.problems
    assert (problem.severity, problem.line, problem.column) == (Severity.ERROR, 2, 17)
    assert problem.file == str(tmp_path / "vip-common.conf")
    assert "neither off, nor ADDRESS:PORT, nor unix:/PATH" in problem.message
    assert "METRICS_LISTEN=127.0.0.1:9112" in problem.hint
    assert snapshot.settings.metrics_listen is None
    assert snapshot.common_broken
    assert [vip.id for vip in snapshot.vips] == ["001"]  # it runs all the same


def test_it_may_be_made_of_what_earlier_lines_said(tmp_path: Path) -> None:
    snapshot = common(tmp_path, "PORT=9112\nMETRICS_LISTEN=127.0.0.1:$PORT\n")
    assert str(snapshot.settings.metrics_listen) == "127.0.0.1:9112"


def test_in_the_file_of_a_vip_it_does_not_count(tmp_path: Path) -> None:
    write_vip(tmp_path, METRICS_LISTEN="127.0.0.1:1")
    write_vip(tmp_path, "002", VIP_ADDRESS="198.51.100.155")
    snapshot = common(tmp_path, "METRICS_LISTEN=127.0.0.1:9112\n")
    assert str(snapshot.settings.metrics_listen) == "127.0.0.1:9112"
    assert len(snapshot.vips) == 2
    (problem,) = snapshot.problems
    assert problem.severity is Severity.WARNING
    assert problem.file == str(tmp_path / "vip-001.conf")
    assert "counts in vip-common.conf only" in problem.message


def test_hosts_are_names_for_ssh(tmp_path: Path) -> None:
    names = "web01 root@web02.example.org 192.0.2.3\t2001:db8::4 ssh://root@web05:2222 web01"
    snapshot = common(tmp_path, f'HOSTS="{names}"\n')
    assert snapshot.settings.hosts == tuple(names.split()[:-1])
    assert load_settings(tmp_path) == (snapshot.settings, ())
    assert load_settings(tmp_path / "nowhere")[0].hosts == ()


@pytest.mark.parametrize("name", ["-oProxyCommand=id", "a;id", "web\x07", "w$", "ü", "x" * 256])
def test_what_is_no_name_for_ssh_is_left_out_and_stops_no_vip(tmp_path: Path, name: str) -> None:
    write_vip(tmp_path)
    snapshot = common(tmp_path, f"HOSTS='web01 {name} web02'\n")
    (problem,) = snapshot.problems
    assert (problem.severity, problem.line, problem.column) == (Severity.WARNING, 1, 14)
    assert "cannot be the name of a host" in problem.message
    assert snapshot.settings.hosts == ("web01", "web02")
    assert len(snapshot.vips) == 1
    assert not snapshot.common_broken


def test_hosts_of_one_vip_are_a_warning(tmp_path: Path) -> None:
    write_vip(tmp_path, HOSTS="web01")
    (problem,) = load(tmp_path).problems
    assert problem.message == "HOSTS counts in vip-common.conf only: it is not about one VIP"
