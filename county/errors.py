"""What a person of the county's administration can do wrong: a stable code, and a sentence in both languages."""

from __future__ import annotations


class CountyError(Exception):
    """A request of the administration that cannot be done; ``zh`` and ``en`` say what to do about it."""

    code = "county"

    def __init__(self, zh: str, en: str) -> None:
        super().__init__(f"{en} {zh}")
        self.zh, self.en = zh, en


class BadName(CountyError):
    """A name that is empty, too long, or holds letters that cannot be shown."""

    code = "bad-name"


class NameTaken(CountyError):
    """Somebody, or some county, has this name already."""

    code = "name-taken"


class NoCounty(CountyError):
    """The ledger has no county yet."""

    code = "no-county"


class UnknownCounty(CountyError):
    """No county has this name or id."""

    code = "unknown-county"


class ManyCounties(CountyError):
    """The ledger has several counties, and none was named."""

    code = "which-county"


class UnknownSite(CountyError):
    """No site of the county has this id."""

    code = "unknown-site"


class UnknownDevice(CountyError):
    """No device of the county has this id."""

    code = "unknown-device"


class BadHours(CountyError):
    """A one-time code that would be valid for no time, or for too long."""

    code = "bad-hours"


class BadSites(CountyError):
    """A file of sites that cannot be read; it names the line."""

    code = "bad-sites"


class NoTestEcg(CountyError):
    """The site has sent no ECG that could be measured well enough."""

    code = "no-test-ecg"


class UnknownPerson(CountyError):
    """No person of the county has this id, or they left."""

    code = "unknown-person"


class UnknownRole(CountyError):
    """Not a role."""

    code = "unknown-role"


class SiteNeeded(CountyError):
    """A person of role clinic works at one site."""

    code = "site-needed"


class BadPassword(CountyError):
    """A password that is too short or too long."""

    code = "bad-password"


class BadShift(CountyError):
    """A shift that ends before it begins, or whose person cannot do what its slot asks."""

    code = "bad-shift"


class UnknownShift(CountyError):
    """No shift of the county has this id, or it was swapped or withdrawn."""

    code = "unknown-shift"


class BadRoster(CountyError):
    """A roster file that cannot be read; it names the line."""

    code = "bad-roster"


class BadContact(CountyError):
    """A contact that cannot be used, or that is nobody's."""

    code = "bad-contact"


class BadPolicy(CountyError):
    """An escalation policy that cannot be read, or that would be slower than CLINICAL.md's."""

    code = "bad-policy"


class OffTheMap(CountyError):
    """A place on the county's map needs both of its coordinates, each from 0 to 1."""

    code = "off-the-map"
