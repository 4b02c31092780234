"""Files of the shapes that public Puppet modules and Ansible roles write for EPEL's ucarp.

Each directory of `modules` is one shape, in our own words: keys that are absent, empty, quoted or
not, PASSFILE or PASSWORD or both, `vip-1.conf`, blanks. vipd has to read what the services read.
"""

import shutil
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from helpers.epel import Started, services

from vipd.cli.compat import differences
from vipd.config.load import load
from vipd.config.model import VipConfig
from vipd.config.problem import is_error
from vipd.config.snapshot import Snapshot

MODULES = Path(__file__).parent / "modules"
SERVICES = ("init script, PASSWORD", "init script, PASSFILE", "ucarp@NNN, PASSWORD",
            "ucarp@NNN, PASSFILE")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Shape:
    """`refused`: for each file that a service would not have run, which services, and why.
    `problems`: what vipd says, a part of each message and hint. Of files with an ERROR none runs.
    """

    written_by: str
    refused: dict[str, dict[str, str]] = field(default_factory=dict)
    problems: tuple[str, ...] = ()


def by(password: str = "", passfile: str = "") -> dict[str, str]:
    """Why the services refuse a file that want PASSWORD, and those that want PASSFILE."""
    why = {name: password if "PASSWORD" in name else passfile for name in SERVICES}
    return {name: each for name, each in why.items() if each}


def without(keys: str) -> dict[str, str]:
    return by(f"without {keys}", f"without PASSFILE {keys}")


NO_PASSFILE = by(passfile="without PASSFILE")
NO_PASSWORD = by(password="without PASSWORD")

OLDEST = "VIP_INTERFACE is not a key that vipd or ucarp knows the oldest package's"
GENTOO = (
    *("BIND_INTERFACE", "SOURCE_ADDRESS", "VIP_ADDRESS", "its length into VIP_ADDRESS", "ID"),
    *("PASSFILE", "UPSCRIPT", "DOWNSCRIPT", "OPTIONS"),
)

SHAPES = {
    "everything-in-the-file": Shape(
        "infoxchange/puppet-ucarp",
        {
            "vip-007.conf": NO_PASSFILE,
            "vip-008.conf": by("ucarp: VHID", "without PASSFILE"),
        },
        ("ID “008” is VHID 8 here, but ucarp refuses it",),
    ),
    "a-quote-not-closed": Shape(
        "infoxchange/puppet-ucarp, in its first version",
        {
            "vip-001.conf": {
                name: f"without {name.split(', ')[1]} BIND_INTERFACE SOURCE_ADDRESS VIP_ADDRESS"
                for name in SERVICES
            }
        },
        ('never ends write the missing "; perhaps it is missing since line 3',),
    ),
    "shared-passfile": Shape("thbe/puppet-ucarp", {"vip-001.conf": NO_PASSWORD}),
    "shared-password": Shape(
        "thbe/puppet-ucarp, earlier; stepping-stone/puppet-ucarp", {"vip-001.conf": NO_PASSFILE}
    ),
    "a-number-without-zeros": Shape(
        "CentOS/ansible-role-ucarp", {"vip-1.conf": NO_PASSWORD, "vip-20.conf": NO_PASSWORD}
    ),
    "scripts-and-empty-options": Shape("ucbpi/puppet-ucarp", {"vip-003.conf": NO_PASSFILE}),
    "own-scripts": Shape(
        "yoshz/puppet-ucarp",
        {
            "vip-100.conf": NO_PASSFILE,
            "vip-101.conf": NO_PASSFILE | {"ucarp@NNN, PASSWORD": "without PASSWORD"},
        },
        ("PASSWORD is not set here, and is taken from vip-100.conf (line 17)",),
    ),
    "only-what-differs": Shape(
        "lutak-srce/ucarp", {"vip-001.conf": NO_PASSFILE, "vip-002.conf": NO_PASSFILE}
    ),
    "an-alias-interface": Shape(
        "icg-puppet/puppet-ucarp, fgouteroux/puppet-ucarp",
        {"vip-100.conf": without("SOURCE_ADDRESS VIP_ADDRESS")},
        (OLDEST, "VIP_ADDRESS is missing"),
    ),
    "an-alias-interface-unquoted": Shape(
        "shadyabhi/puppet-ucarp",
        {"vip-5.conf": without("SOURCE_ADDRESS VIP_ADDRESS")},
        (
            OLDEST,
            "VIP_ADDRESS is missing",
            "UPSCRIPT /etc/sysconfig/carp/vip-up is not there",
            "DOWNSCRIPT /etc/sysconfig/carp/vip-down is not there",
        ),
    ),
    "names-of-gentoo": Shape(
        "stepping-stone/puppet-ucarp, for Gentoo",
        {
            "vip-1.conf": by(
                "without PASSWORD BIND_INTERFACE SOURCE_ADDRESS VIP_ADDRESS",
                "without PASSFILE BIND_INTERFACE SOURCE_ADDRESS VIP_ADDRESS",
            )
        },
        (
            *(f"Gentoo's service: write {key}" for key in GENTOO),
            *(f"{key} is missing" for key in ("BIND_INTERFACE", "VIP_ADDRESS", "PASSWORD")),
        ),
    ),
    "password-and-passfile": Shape("sites that went from one package to the next"),
    "blanks-and-comments": Shape("people", {"vip-001.conf": NO_PASSFILE}),
    "quoted-and-not": Shape("people", {"vip-010.conf": NO_PASSFILE}),
    "template-left-empty": Shape(
        "a template that did not know the address", {"vip-001.conf": without("SOURCE_ADDRESS")}
    ),
    "line-ends-of-windows": Shape(
        "a template that was edited on Windows",
        {"vip-001.conf": by("ucarp: options", "without PASSFILE")},
        ("lines end in CR LF, as on Windows",) * 2,
    ),
}


@pytest.fixture(params=sorted(SHAPES))
def shape(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def directory(shape: str, tmp_path: Path) -> Path:
    """The files, as in an /etc/ucarp of their own."""
    files = tmp_path / "ucarp"
    shutil.copytree(MODULES / shape, files)
    for file in files.glob("*.conf"):
        content = file.read_bytes()
        file.write_bytes(content.replace(b"/etc/ucarp/", f"{files}/".encode()))
    return files


def read(directory: Path) -> Snapshot:
    return load(directory, scripts=directory / "scripts")


def test_every_shape_is_played() -> None:
    assert {each.name for each in MODULES.iterdir()} == SHAPES.keys()


def test_vipd_runs_what_a_service_ran_with_the_same_settings(shape: str, directory: Path) -> None:
    vips = {Path(vip.file).name: vip for vip in read(directory).vips}
    refused: dict[str, dict[str, str]] = {}
    for service, started in services(directory):
        for each in started:
            if each.refused:
                refused.setdefault(each.file, {})[service] = each.refused
            else:
                assert _settings(vips[each.file]) == each.settings, (service, each.file)
    assert refused == SHAPES[shape].refused


def test_what_is_doubtful_is_said_and_nothing_else(shape: str, directory: Path) -> None:
    found = [f"{each.message} {each.hint}" for each in read(directory).problems]
    expected = SHAPES[shape].problems
    assert len(found) == len(expected), found
    for part in expected:
        assert any(part in text for text in found), (part, found)
    for text in found:
        assert any(part in text for part in expected), text


def test_a_file_that_a_service_skipped_and_vipd_runs_is_said(directory: Path) -> None:
    snapshot = read(directory)
    said = {
        (id_, each.what)
        for each in differences(snapshot)
        for id_ in each.about.split()
        if "skips" in each.ucarp
    }
    ids = {f"vip-{vip.id}.conf": vip.id for vip in snapshot.vips}
    expected = set()
    for _, started in services(directory):
        for each in started:
            if each.file in ids and each.refused.startswith("without"):
                expected |= {(ids[each.file], f"no {key}") for key in each.refused.split()[1:]}
    # PASSWORD from a file before it, or in place of PASSFILE: said where it is, as a problem.
    assert said == {(id_, what) for id_, what in expected if what != "no PASSWORD"}


def test_a_shape_that_vipd_refuses_says_so(directory: Path) -> None:
    snapshot = read(directory)
    files = {file.name for file in directory.glob("vip-*.conf")} - {"vip-common.conf"}
    running = {f"vip-{vip.id}.conf" for vip in snapshot.vips}
    wrong = {Path(each.file).name for each in snapshot.problems if is_error(each)}
    assert files - running <= wrong


def _settings(vip: VipConfig) -> dict[str, object]:
    same = ("vhid", "interface", "advbase", "advskew", "deadratio", "preempt", "neutral",
            "shutdown")  # fmt: skip
    return {
        **{name: getattr(vip, name) for name in same},
        "source": str(vip.source),
        "address": str(vip.addresses[0].ip),
        "password": vip.password.get_secret_value().decode(),
    }


def test_the_services_are_read_as_they_were(tmp_path: Path) -> None:
    (tmp_path / "vip-9.conf").write_text("PASSWORD=a\nBIND_INTERFACE=b\nVIP_ADDRESS=d\n")
    (tmp_path / "vip-10.conf").write_text("SOURCE_ADDRESS=c\nPASSFILE=/dev/null\n")
    found = {
        name: [(each.file, each.refused) for each in all_] for name, all_ in services(tmp_path)
    }
    # vip-10.conf comes first. What it sets counts for vip-9.conf, too, in one shell.
    assert found["init script, PASSWORD"][1] == ("vip-9.conf", "")
    assert found["ucarp@NNN, PASSWORD"][1] == ("vip-9.conf", "without SOURCE_ADDRESS")
    assert isinstance(dict(services(tmp_path))["init script, PASSFILE"][1], Started)
