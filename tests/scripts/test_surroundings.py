"""What a script finds around it, and what it may leave behind."""

import re
import sys
from pathlib import Path

import pytest
from helpers.configured import QUICK, VIP, write_script, write_vip
from helpers.hosts import until

from vipd.lab import Host
from vipd.lab.host import RUNTIME_DIR

pytestmark = pytest.mark.lab

#: Unbuffered, and it notices when nobody takes what it writes.
LOOP = "( n=0; while sleep 0.05; do n=$((n+1)); echo $n; echo $n >{}; done ) &"
FLOOD = "( yes & echo $! >{0}.yes; wait ) & while [ ! -e {0}.yes ]; do sleep 0.02; done"


def number(file: Path) -> int:
    text = file.read_text().strip() if file.exists() else ""
    return int(text or 0)


def test_a_loop_that_a_script_leaves_in_the_background_goes_on_writing(
    web01: Host, files: Path, tmp_path: Path
) -> None:
    """With ucarp its output went to a terminal or nowhere: no write failed."""
    counted = tmp_path / "counted"
    up = write_script(tmp_path / "up", f"{LOOP.format(counted)}\necho started")
    write_vip(files, UPSCRIPT=str(up), OPTIONS=QUICK)
    daemon = web01.vipd(files)
    daemon.wait_for("upscript: started")
    at_its_end = number(counted)
    until(lambda: number(counted) > at_its_end + 5, lambda: f"{counted}: {number(counted)}")
    assert daemon.stop() == 0
    later = number(counted)
    until(lambda: number(counted) > later + 5, lambda: f"{counted}: {number(counted)}")


@pytest.mark.alone
def test_what_is_left_behind_may_write_without_end_and_costs_the_daemon_nothing(
    web01: Host, files: Path, tmp_path: Path
) -> None:
    up = write_script(tmp_path / "up", f"{FLOOD.format(tmp_path / 'flood')}\nexit 3")
    write_vip(files, UPSCRIPT=str(up), OPTIONS=QUICK)
    daemon = web01.vipd(files)
    daemon.wait_for("upscript failed: exit status 3")
    writer = (tmp_path / "flood.yes").read_text().strip()

    def written() -> int:
        shown = web01.run(["cat", f"/proc/{writer}/io"])
        return int(re.findall(r"wchar: (\d+)", shown.stdout)[0])

    at_its_end = written()
    until(lambda: written() > at_its_end + (100 << 20), daemon.tail, timeout=60)  # not blocked
    theirs = web01.run(["readlink", f"/proc/{writer}/fd/1"]).stdout.strip()
    ours = [str(each.readlink()) for each in Path(f"/proc/{daemon.pid}/fd").iterdir()]
    assert any(each.startswith("socket:") for each in ours)
    assert theirs.startswith("pipe:")
    assert theirs not in ours
    assert daemon.stop() == 0


def test_a_script_is_an_ordinary_process(web01: Host, files: Path, tmp_path: Path) -> None:
    """Whatever vipd got for itself: what it starts may run for years."""
    told = tmp_path / "told"
    body = (
        f"cat /proc/self/oom_score_adj >{told}.new\n"
        f"grep -E '^(Sig(Blk|Ign|Cgt)|VmLck)' /proc/self/status >>{told}.new\n"
        f"chrt -p $$ >>{told}.new; nice >>{told}.new; umask >>{told}.new; pwd >>{told}.new\n"
        f"env >>{told}.new; mv {told}.new {told}"
    )
    up = write_script(tmp_path / "up", body)
    write_vip(files, UPSCRIPT=str(up), OPTIONS=QUICK)
    start = 'echo 300 >/proc/self/oom_score_adj; cd /; umask 022; exec "$0" "$@"'
    systemd = {"RUNTIME_DIRECTORY": "/run/vipd", "STATE_DIRECTORY": "/var/lib/vipd"}
    daemon = web01.start(
        ["/bin/sh", "-c", start, sys.executable, "-m", "vipd.daemon", "--config-dir", files,
         "--runtime-dir", "/run/vipd", "--state-dir", "/run/lab/vipd", "--realtime"],
        name="vipd", env=systemd,
    )  # fmt: skip
    until(told.exists, daemon.tail)
    lines = told.read_text().splitlines()
    assert lines[0] == "300"  # the starter's choice; less than 0 is vipd.service's, for vipd
    for line in lines[1:5]:
        name, value = line.split(":")
        assert int(value.split()[0], 16) == 0 or name == "SigCgt", line
    text = "\n".join(lines)
    assert "SCHED_OTHER" in text
    assert "\n0\n0022\n/\n" in text
    assert not [name for name in systemd if f"\n{name}=" in text]
    assert VIP in text


def test_a_daemon_whose_starter_ignores_sigchld_learns_how_its_scripts_end(
    web01: Host, files: Path, tmp_path: Path
) -> None:
    """That a signal is ignored is inherited; the kernel would keep no status of our children."""
    up = write_script(tmp_path / "up", "exit 3")
    write_vip(files, UPSCRIPT=str(up), OPTIONS=QUICK)
    words: list[str | Path] = [sys.executable, "-m", "vipd.daemon", "--config-dir", files]
    start = 'trap \'\' CHLD; exec "$0" "$@"'
    daemon = web01.start(["sh", "-c", start, *words, "--runtime-dir", RUNTIME_DIR], name="vipd")
    daemon.wait_for("upscript failed: exit status 3", timeout=60)
    assert daemon.stop() == 0


def test_a_script_may_be_ended_by_a_signal_that_has_no_name(
    web01: Host, files: Path, tmp_path: Path
) -> None:
    up = write_script(tmp_path / "up", "kill -40 $$; sleep 60")
    down = write_script(tmp_path / "down", f"touch {tmp_path}/ran")
    write_vip(files, UPSCRIPT=str(up), DOWNSCRIPT=str(down), OPTIONS=f"{QUICK} -n -z")
    daemon = web01.vipd(files)
    daemon.wait_for("upscript failed: ended by signal 40", timeout=60)
    assert daemon.stop() == 0
    assert (tmp_path / "ran").exists()
