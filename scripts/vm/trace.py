# SPDX-License-Identifier: GPL-2.0-only
"""What the devices really did, from QEMU's own trace of its IOMMU.

The guest cannot lie here: QEMU prints an event for each address a device puts
on the bus. virtio-iommu also tells each mapping:

    virtio_iommu_switch_address_space  translation for a device goes on or off
    virtio_iommu_map, _unmap_done      the page tables, as the device sees them
    virtio_iommu_translate             an access by device <rid>
    virtio_iommu_translate_out         ... that a mapping translated
    virtio_iommu_report_fault          ... that nothing translated
    virtio_queue_notify                a virtio device, any, is to look at its queue

A translate without a translate_out is an access to the MSI doorbell (which is
never mapped), or one that passed untranslated, or a fault. While translation
is off for a device its accesses make no event at all.

The SMMUv3 and the intel-iommu read page tables that the guest keeps in its
memory: there is no event for a mapping, only what came of an access.

    smmuv3_translate_success           an access, and where it went
    smmuv3_translate_bypass, _disable  one that passed untranslated
    smmuv3_record_event                one that was stopped (or a command)
    vtd_switch_address_space           translation for a device goes on or off
    vtd_dmar_translate                 an access, and where it went
    vtd_translate_pt                   ... namely nowhere else, the next event says
    vtd_dmar_fault                     an access that was stopped
    vtd_dmar_enable                    the whole unit goes on or off
"""

import re

PAGE = 4096

# What QEMU is asked to trace, by the names arch.py has.
EVENTS = {
    "virtio-iommu": ["virtio_iommu_*", "virtio_queue_notify"],
    "smmuv3": ["smmuv3_translate_*", "smmuv3_record_event"],
    "intel-iommu": ["vtd_switch_address_space", "vtd_dmar_*", "vtd_translate_pt"],
}

_SWITCH = re.compile(
    r"Device (\w+):(\w+)\.(\d) switching address space \(iommu enabled=(\d)\)")
_VIRTIO = {
    "virtio_iommu_attach": re.compile(r"domain=(\d+) endpoint=(\d+)"),
    "virtio_iommu_map": re.compile(
        r"domain=(\d+) virt_start=(\w+) virt_end=(\w+) phys_start=(\w+) flags=(\d+)"),
    "virtio_iommu_unmap_done": re.compile(r"domain=(\d+) virt_start=(\w+) virt_end=(\w+)"),
    "virtio_iommu_translate": re.compile(r"rid=(\d+) addr=(\w+) flag=(\d+)"),
    "virtio_iommu_translate_out": re.compile(r"(\w+) -> (\w+) for sid=(\d+)"),
    "virtio_iommu_fill_resv_property": re.compile(
        r"dev= (\d+), type=(\d+) start=(\w+) end=(\w+)"),
    "virtio_iommu_switch_address_space": _SWITCH,
    "virtio_iommu_report_fault": re.compile(r"endpoint=(\d+)"),
    "virtio_iommu_put_domain": re.compile(r"Free domain=(\d+)"),
    "virtio_iommu_device_reset": re.compile(r"reset"),
    "virtio_queue_notify": re.compile(r""),
}
_SMMUV3 = {
    "smmuv3_translate_success": re.compile(r"sid=(\w+) iova=(\w+) translated=(\w+)"),
    "smmuv3_translate_bypass": re.compile(r"sid=(\w+) "),
    "smmuv3_translate_disable": re.compile(r"sid=(\w+) "),
    "smmuv3_translate_abort": re.compile(r"sid=(\w+) "),
    "smmuv3_record_event": re.compile(r"(\w+) sid=(\w+)"),
}
_VTD = {
    "vtd_switch_address_space": _SWITCH,
    "vtd_dmar_translate": re.compile(r"dev (\w+):(\w+)\.(\w+) iova (\w+) -> gpa (\w+)"),
    "vtd_translate_pt": re.compile(r"source id (\w+), iova (\w+)"),
    "vtd_dmar_fault": re.compile(r"sid (\w+) fault (\d+) addr (\w+)"),
    "vtd_dmar_enable": re.compile(r"enable (\d)"),
}
_MSI_REGION = 1
MAX_EXAMPLES = 5


def sid_of(bus, slot, fn):
    """A device's requester id, of what QEMU prints in hexadecimal."""
    return int(bus, 16) << 8 | int(slot, 16) << 3 | int(fn, 16)


class Endpoint:
    """One PCI device, by its requester id."""

    def __init__(self, sid):
        self.sid = sid
        self.domain = None
        self.on = False
        self.was_on = False     # at any time
        self.was_off = False    # in one domain after one where it was on
        self.accesses = 0       # all but those to the MSI doorbell
        self.translated = 0
        self.doorbells = 0
        self.faults = 0         # accesses that the IOMMU stopped
        self.maps = 0
        self.unmaps = 0
        self.highest = 0        # address it used
        self.msi = []           # doorbell ranges

    def bdf(self):
        return f"0000:{self.sid >> 8:02x}:{self.sid >> 3 & 31:02x}.{self.sid & 7}"


class Trace:
    """What is told of every IOMMU. Its events, by name, and a method for each:
    the name without @prefix."""

    events = {}
    prefix = ""
    tells_mappings = False

    def __init__(self, ram_start, ram_mib):
        self.ram_start = ram_start
        self.ram_end = ram_start + ram_mib * 1024 * 1024
        self.endpoints = {}
        self.over = False       # the guest let go of the IOMMU, or turned it off
        self.problems = []      # sentences
        self.hidden = 0

    def endpoint(self, sid):
        return self.endpoints.setdefault(sid, Endpoint(sid))

    def problem(self, text):
        if len(self.problems) < MAX_EXAMPLES:
            self.problems.append(text)
        else:
            self.hidden += 1

    def is_memory(self, first, last):
        return self.ram_start <= first <= last < self.ram_end

    def read(self, path):
        with open(path, errors="replace") as f:
            for line in f:
                name, _, rest = line.partition(" ")
                pattern = self.events.get(name)
                if not pattern:
                    continue
                found = pattern.search(rest)
                if not found:
                    raise ValueError(f"{path}: QEMU's trace has an unknown form: {line.strip()}")
                getattr(self, name.removeprefix(self.prefix))(*found.groups())
        return self

    def switch_address_space(self, bus, slot, fn, on):
        if self.over:           # then every device goes off
            return
        e = self.endpoint(sid_of(bus, slot, fn))
        e.on = on == "1"
        e.was_on |= e.on

    def way(self, bdf, moved):
        """How a device's @moved bytes went: translated, direct, mixed or none.

        A translation covers at most one page, so fewer translations than pages
        moved means that some went past the IOMMU.
        """
        e = next((e for e in self.endpoints.values() if e.bdf() == bdf), None)
        if e is None or not e.translated and not e.accesses:
            return "direct" if moved else "none"
        if e.translated + e.faults == e.accesses and e.on and e.translated * PAGE >= moved:
            return "mixed" if e.was_off else "translated"
        return "mixed" if e.translated else "direct"

    def faulted(self, but=()):
        """PCI addresses of the devices with stopped accesses, except those in @but."""
        return [e.bdf() for e in self.endpoints.values() if e.faults and e.bdf() not in but]

    def facts(self, bdf):
        for e in self.endpoints.values():
            if e.bdf() == bdf:
                return {"translations": e.translated, "accesses": e.accesses,
                        "doorbells": e.doorbells, "maps": e.maps, "unmaps": e.unmaps, "faults": e.faults,
                        "highest": e.highest}
        return {}


class VirtioTrace(Trace):
    events = _VIRTIO
    prefix = "virtio_iommu_"
    tells_mappings = True

    def __init__(self, *ram):
        super().__init__(*ram)
        self.tables = {}        # domain -> {page: physical page}
        # domain -> {(page, physical page)} of what was mapped when QEMU freed it
        self.left = {}
        self.together = 0       # most maps with one notification
        self.maps = 0           # those since the last

    def virtio_queue_notify(self):
        self.maps = 0

    def _users(self, domain):
        return [e for e in self.endpoints.values() if e.domain == domain]

    def leaked(self):
        """Pages still mapped for a device at the end."""
        return sum(len(pages) for of in (self.left, self.tables) for pages in of.values())

    def attach(self, domain, sid):
        e = self.endpoint(int(sid))
        # Off and on again within an attach is how QEMU changes the domain.
        e.was_off |= e.was_on and not e.on
        e.domain = int(domain)
        self.over = False

    def device_reset(self):
        self.over = True        # its driver let go of it

    def put_domain(self, domain):
        # The guest maps them again if it attaches a device to the same domain
        # again. In another one the same page is another mapping.
        domain = int(domain)
        self.left.setdefault(domain, set()).update(self.tables.pop(domain, {}).items())

    def fill_resv_property(self, sid, kind, start, end):
        if int(kind) == _MSI_REGION:
            self.endpoint(int(sid)).msi.append((int(start, 16), int(end, 16)))

    def map(self, domain, first, last, phys, _flags):
        domain, first, last, phys = int(domain), int(first, 16), int(last, 16), int(phys, 16)
        table, left = self.tables.setdefault(domain, {}), self.left.get(domain, set())
        if not self.is_memory(phys, phys + last - first):
            self.problem(f"mapped {first:#x} to {phys:#x}, which is not memory of the machine")
        if first == 0:
            self.problem("mapped address 0")
        if last - first >= 1 << 32:
            self.problem(f"mapped {last - first:#x} bytes at once")
            return
        for page in range(first // PAGE, last // PAGE + 1):
            if page in table:
                self.problem(f"mapped {page * PAGE:#x} twice")
            table[page] = phys // PAGE + page - first // PAGE
            left.discard((page, table[page]))
        for e in self._users(domain):
            e.maps += 1
        self.maps += 1
        self.together = max(self.together, self.maps)

    def unmap_done(self, domain, first, last):
        domain, first, last = int(domain), int(first, 16), int(last, 16)
        table = self.tables.setdefault(domain, {})
        for page in range(first // PAGE, last // PAGE + 1):
            table.pop(page, None)
        for e in self._users(domain):
            e.unmaps += 1

    def translate(self, sid, addr, _flag):
        e, addr = self.endpoint(int(sid)), int(addr, 16)
        if any(start <= addr <= end for start, end in e.msi):
            e.doorbells += 1
        else:
            e.accesses += 1
            e.highest = max(e.highest, addr)

    def translate_out(self, addr, phys, sid):
        e, addr, phys = self.endpoint(int(sid)), int(addr, 16), int(phys, 16)
        e.translated += 1
        page = self.tables.get(e.domain, {}).get(addr // PAGE)
        if page is None or page * PAGE + addr % PAGE != phys:
            self.problem(f"{e.bdf()} reached {phys:#x} at {addr:#x} by no live mapping")

    def report_fault(self, sid):
        self.endpoint(int(sid)).faults += 1


class WalkTrace(Trace):
    """An IOMMU that reads page tables in the guest's memory."""

    doorbell = range(0)         # where MSI go once they are translated

    def passed(self, sid):
        self.endpoint(sid).accesses += 1

    def reached(self, sid, addr, phys):
        e = self.endpoint(sid)
        if phys in self.doorbell:
            e.doorbells += 1
            return
        e.accesses += 1
        e.translated += 1
        e.highest = max(e.highest, addr)
        if not self.is_memory(phys, phys):
            self.problem(f"{e.bdf()} reached {phys:#x} at {addr:#x}, which is not memory")
        if addr < PAGE:
            self.problem(f"{e.bdf()} used address {addr:#x}")

    def stopped(self, sid):
        e = self.endpoint(sid)
        e.accesses += 1
        e.faults += 1


class Smmuv3Trace(WalkTrace):
    events = _SMMUV3
    prefix = "smmuv3_"
    doorbell = range(0x08090040, 0x08090044)    # GITS_TRANSLATER of the virt machine

    def translate_success(self, sid, addr, phys):
        self.endpoint(int(sid, 0)).on = True
        self.reached(int(sid, 0), int(addr, 16), int(phys, 16))

    def translate_bypass(self, sid):
        self.passed(int(sid, 0))

    translate_disable = translate_bypass

    def translate_abort(self, sid):
        self.stopped(int(sid, 0))

    def record_event(self, kind, sid):
        # Faults and bad configurations of a device.
        if kind.removeprefix("SMMU_EVT_").startswith(("F_", "C_")):
            self.stopped(int(sid, 0))


class VtdTrace(WalkTrace):
    events = _VTD
    prefix = "vtd_"

    def dmar_enable(self, on):
        self.over = on == "0"   # as a shutdown does

    def dmar_translate(self, bus, slot, fn, addr, phys):
        self.reached(sid_of(bus, slot, fn), int(addr, 16), int(phys, 16))

    def translate_pt(self, sid, _addr):
        self.passed(int(sid, 16))

    def dmar_fault(self, sid, _kind, _addr):
        self.stopped(int(sid, 16))


KINDS = {"virtio-iommu": VirtioTrace, "smmuv3": Smmuv3Trace, "intel-iommu": VtdTrace}
