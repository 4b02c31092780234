"""Plain words in what people read: some that are not, and what to write instead."""

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
INSTEAD = {
    "anew": "again",
    "mend": "correct, repair",
    "mended": "corrected, repaired",
    "befall": "happen to",
    "thereof": "of it",
    "heretofore": "so far",
}
WORDS = re.compile(rf"\b({'|'.join(INSTEAD)})\b", re.IGNORECASE)
#: Where people read. Not the changes: they are history.
READ = ("vipd/**/*.py", "docs/**/*.md", "docs/man/*", "README.md", "conf.d.example/**/*.conf")


def test_what_people_read_is_in_plain_words() -> None:
    files = [file for pattern in READ for file in ROOT.glob(pattern)]
    assert len(files) > 150
    found = [
        f"{file.relative_to(ROOT)}:{number}: {word}: write {INSTEAD[word.lower()]}"
        for file in files
        for number, line in enumerate(file.read_text().splitlines(), 1)
        for word in WORDS.findall(line)
    ]
    assert found == []


def test_the_readme_is_short_and_its_links_lead_somewhere() -> None:
    readme = ROOT / "README.md"
    before, _, written = readme.read_text().partition("<!-- make bench: begin -->")
    by_hand = before + written.partition("<!-- make bench: end -->")[2]
    assert len(by_hand.splitlines()) <= 100
    for file in (readme, *ROOT.glob("docs/*.md")):
        for target in re.findall(r"\]\(([^)#:]+)\)", file.read_text()):
            assert (file.parent / target).exists(), f"{file.name}: {target}"
