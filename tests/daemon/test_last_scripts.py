"""DOWNSCRIPTs that the guard runs: how they are written down, and how they run."""

from collections.abc import Callable
from pathlib import Path

import pytest
from helpers.configured import write_script
from helpers.hosts import until
from helpers.scenes import gone

from vipd.daemon.cleanup import last_scripts
from vipd.daemon.cleanup.last_scripts import AT_ONCE, LastScript, LastScripts, in_will, worded
from vipd.daemon.cleanup.wills import Final
from vipd.daemon.cleanup.wills import worded as will_of


def run_all(scripts: LastScripts) -> None:
    while scripts.keys:
        scripts.look()
        scripts.sleep(1000)


def test_a_will_has_every_byte_of_a_script() -> None:
    command = ["/opt/a b/down", "eth1", "192.0.2.1", "it's \udcff\n"]
    script = LastScript(command, {"ID": "001", "EMPTY": "", "X": "a=b\nc"}, 30)
    read = in_will(will_of([], Final("eth1", [b"frame"]), script))
    assert read is not None
    assert (read.command, read.environment, read.timeout) == (command, script.environment, 30)
    assert in_will(will_of([], Final("eth1", [b"frame"]))) is None


@pytest.mark.parametrize(
    "line",
    [
        *("run ", "run 30", "run 30 2f00", "run x 2f00 -", "run 0 2f00 ", "run 30  "),
        *("run 30 6100 ", "run 99999 2f00 ", "run 30 2f0 ", "run 30 2f00  x"),
    ],
)
def test_what_is_no_script_is_refused(line: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        in_will(f"interface eth1\n{line}\n".encode())


def test_few_run_at_once_and_all_of_them_do(tmp_path: Path) -> None:
    tmp_path = tmp_path / "now"
    tmp_path.mkdir()
    body = (
        f"mkdir {tmp_path}/$ID; sleep 0.02; ls {tmp_path} | wc -l >>{tmp_path}.ran; "
        f"rmdir {tmp_path}/$ID; exit $ID"
    )
    down = str(write_script(tmp_path.parent / "down", body))
    scripts, ended = LastScripts(), dict[int, int | None]()
    for number in range(40):
        scripts.add(number, LastScript([down], {"ID": str(number)}, 60), _into(ended, number))
        scripts.add(number, LastScript([down], {"ID": "99"}, 60), _into(ended, 99))  # it waits
    run_all(scripts)
    assert ended == {number: number for number in range(40)}
    most = max(int(line) for line in Path(f"{tmp_path}.ran").read_text().split())
    assert most <= AT_ONCE


def _into(ended: dict[int, int | None], number: int) -> Callable[[int | None], None]:
    def end(status: int | None) -> None:
        ended[number] = status

    return end


def test_one_that_does_not_end_is_ended_with_all_that_it_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(last_scripts, "_MERCY", 200_000_000)
    body = f"trap '' TERM; sleep 999 & echo $! >{tmp_path}/pid\nwait; wait"
    down = write_script(tmp_path / "down", body)
    scripts, ended = LastScripts(), dict[int, int | None]()
    scripts.add(1, LastScript([str(down)], {}, 1), _into(ended, 1))
    run_all(scripts)
    assert ended == {1: -9}
    child = int((tmp_path / "pid").read_text())
    # The kernel kills a group one process after the other.
    until(lambda: gone(child), lambda: f"{child} lives on")


def test_one_that_cannot_be_run_has_failed(tmp_path: Path) -> None:
    scripts, ended = LastScripts(), dict[int, int | None]()
    scripts.add(1, LastScript([str(tmp_path / "nothing")], {}, 5), _into(ended, 1))
    run_all(scripts)
    assert ended == {1: 127}


def test_one_that_is_cancelled_is_gone_and_nobody_is_told(tmp_path: Path) -> None:
    scripts, ended = LastScripts(), dict[int, int | None]()
    down = write_script(tmp_path / "down", "exec sleep 999")
    for number in range(AT_ONCE + 1):
        scripts.add(number, LastScript([str(down)], {}, 999), _into(ended, number))
    scripts.look()
    assert len(scripts.keys) == AT_ONCE + 1
    for number in range(AT_ONCE + 1):
        scripts.cancel(number)
    assert (scripts.keys, ended) == ([], {})


def test_its_line_has_no_blank_in_it_but_those_between() -> None:
    assert worded(LastScript(["/a b"], {}, 3)) == "run 3 2f61206200 "
