# SPDX-License-Identifier: GPL-2.0-only
"""Results of boots as rows and tables."""

from .plan import EDUS, FUNCTIONS, SLOTS

OURS = EDUS
USER_DOCS = {"nvme-raw": "dio_nvme", "nvme-fs": "fs_nvme", "vblk": "dio_vblk",
             "vnet": "net", "e1000e": "net"}
TITLES = {"nvme-raw": "NVMe, direct I/O", "nvme-fs": "NVMe, ext4", "vblk": "virtio-blk",
          "vnet": "virtio-net", "e1000e": "e1000e", "edu": "edu", "edu2": "edu, the second",
          "pair0": "edu, function 0 of two", "pair1": "edu, function 1 of two",
          "edu-direct": "edu, mapped directly"}
KINDS = {"msix": "MSI-X", "msi": "MSI", "intx": "INTx"}


def cases_of(result, device):
    """The cases that are about one device."""
    user = set(USER_DOCS.values()) | {"interrupts", "domains", "host"}
    for doc in result["docs"]:
        for case in doc["cases"]:
            about = {
                "interrupts": case["name"].startswith(device + "_"),
                "domains": case["name"] == device,
                "host": case["name"] in (f"image_{device}", f"dma_{device}"),
            }.get(doc["name"])
            if about is None:
                about = (doc["name"] == USER_DOCS.get(device) if device in USER_DOCS
                         else doc["name"] not in user)
            if about:
                yield doc["name"], case


def size(count):
    count = int(count)
    for unit, factor in (("MiB", 1 << 20), ("KiB", 1 << 10)):
        if count >= factor:
            return f"{count / factor:.1f} {unit}"
    return f"{count} B"


def interrupts(row):
    kind, _, vectors = row.get("irq", "none:0").partition(":")
    if kind not in KINDS:
        return "-"
    return f"{KINDS[kind]} {vectors} ({row.get('fired', 0)})"


def docs_of(result, device):
    """The documents that must say something about a device."""
    if device in USER_DOCS:
        return [USER_DOCS[device]]
    return [doc for doc in result["expected"]
            if doc not in (*USER_DOCS.values(), "interrupts", "domains")]


def device_verdict(result, device):
    cases = list(cases_of(result, device))
    silent = [d for d in docs_of(result, device) if d not in [doc for doc, _ in cases]]
    if silent:
        return f"FAIL {silent[0]} said nothing"
    bad = [f"{doc}.{case['name']}" for doc, case in cases if case["status"] == "fail"]
    if bad:
        return f"FAIL {bad[0]}" + (f" and {len(bad) - 1} more" if len(bad) > 1 else "")
    if not docs_of(result, device):
        return "not used"
    if not any(case["status"] == "ok" for _, case in cases):
        return "FAIL nothing ran"
    return "ok"


def row_of(result, device):
    bdf = f"0000:00:{SLOTS[device]:02x}.{FUNCTIONS.get(device, 0)}"
    row = next((d for d in result["devices"] if d["bdf"] == bdf), {})
    return {
        "boot": result["plan"],
        "device": TITLES[device],
        "driver": row.get("driver", "none"),
        "whose": "ours" if device in OURS else "in-tree",
        "dma": row.get("dma", "none"),
        "interrupts": interrupts(row),
        "moved": size(row.get("bytes", 0)),
        "verdict": device_verdict(result, device),
    }


def rows_of(result):
    return [row_of(result, d) for d in result["planned"] if d in SLOTS]


def text(rows, columns):
    """Aligned columns; @columns is a list of (key, heading)."""
    table = [[heading for _, heading in columns]]
    table += [[str(row[key]) for key, _ in columns] for row in rows]
    widths = [max(len(line[n]) for line in table) for n in range(len(columns))]
    lines = ["  ".join(cell.ljust(w) for cell, w in zip(line, widths)).rstrip() for line in table]
    return "\n".join([lines[0], "-" * len(lines[0])] + lines[1:])


def markdown(rows, columns):
    lines = ["| " + " | ".join(heading for _, heading in columns) + " |",
             "|" + "---|" * len(columns)]
    lines += ["| " + " | ".join(str(row[key]) for key, _ in columns) + " |" for row in rows]
    return "\n".join(lines)
