"""``python packaging/manual [DIRECTORY]``: write the manual pages (default: docs/man).

Their text is that of --help, of the models, of the varlink interface and of the metrics; only what
stands nowhere else is written here. A test makes them again and compares.
"""

import sys
from pathlib import Path

from conf_page import conf_page
from interface_page import interface_page
from ucarp_page import ucarp_page
from vipctl_page import vipctl_page
from vipd_page import vipd_page

PAGES = {
    "vipd.8": vipd_page,
    "vipctl.8": vipctl_page,
    "vipd-ucarp.8": ucarp_page,
    "vip.conf.5": conf_page,
    "io.vipd.7": interface_page,
}


def main() -> None:
    """Write them all."""
    directory = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parents[2] / "docs/man"
    directory.mkdir(parents=True, exist_ok=True)
    for name, make in PAGES.items():
        (directory / name).write_text(make())


if __name__ == "__main__":
    main()
