"""Everything that is measured, by name, in the order of the page."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from bench import fault_sections, scale_sections, sections, sickness_sections
from bench.figures import Section
from bench.run import Bench

#: Only measured when asked for: it takes long, and compares nothing.
ON_REQUEST = frozenset({"endurance"})

PARTS: Mapping[str, Callable[[Bench], list[Section]]] = MappingProxyType(
    {
        "gaps": sections.gaps,
        "faults": fault_sections.killed_and_frozen,
        "heal": fault_sections.healed,
        "checks": sickness_sections.checks,
        "mixed": sections.mixed,
        "many": sections.many,
        "profile": sections.profiled,
        "ipv6": sections.ipv6,
        "scale": scale_sections.addresses,
        "hosts": scale_sections.hosts,
        "regular": sections.regular,
        "forged": sections.forgery,
        "vipctl": sections.vipctl,
        "endurance": sections.endurance,
    }
)
