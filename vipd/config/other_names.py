"""Names of keys in the files of other ucarp services, and what to write instead."""

_GENTOO = "it is a name of Gentoo's service: write {}"

HINTS = {
    # Files in /etc/sysconfig/carp. No VIP_ADDRESS there: it was the IPADDR of ifcfg-VIP_INTERFACE.
    "VIP_INTERFACE": (
        "the oldest package's service took the address from this interface's ifcfg file: write "
        "IPADDR from there into VIP_ADDRESS, and remove VIP_INTERFACE"
    ),
    **{
        f"UCARP_{name}": _GENTOO.format(instead)
        for name, instead in (
            ("INTERFACE", "BIND_INTERFACE"),
            ("SOURCEADDRESS", "SOURCE_ADDRESS"),
            ("VIRTUALADDRESS", "VIP_ADDRESS"),
            ("VIRTUALPREFIX", "its length into VIP_ADDRESS, behind a /"),
            ("VHID", "ID"),
            ("PASSWORD", "PASSWORD"),
            ("PASSFILE", "PASSFILE"),
            ("UPSCRIPT", "UPSCRIPT"),
            ("DOWNSCRIPT", "DOWNSCRIPT"),
            ("OPTS", "OPTIONS"),
        )
    },
}
