"""Medians, tables and files."""
import datetime
import os
import platform
import re
import subprocess


def percentile(values, p):
    """Of at least one value; the nearest rank."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, -(-len(ordered) * p // 100) - 1))]


def median(values):
    ordered = sorted(values)
    n = len(ordered)
    return ordered[n // 2] if n % 2 else (ordered[n // 2 - 1] + ordered[n // 2]) / 2


def spread(values, digits=0):
    """median (minimum to maximum)"""
    return "%s (%s to %s)" % tuple(number(v, digits) for v in (median(values), min(values), max(values)))


def number(value, digits=0):
    return f"{value:,.{digits}f}"


def table(header, rows):
    """As Markdown, padded so that it can be read as text too."""
    widths = [max(len(str(row[i])) for row in [header] + rows) for i in range(len(header))]
    line = lambda row: "| " + " | ".join(str(cell).ljust(w) for cell, w in zip(row, widths)) + " |"
    return "\n".join([line(header), "|" + "|".join("-" * (w + 2) for w in widths) + "|"] + [line(r) for r in rows])


def first_line(*command):
    try:
        return subprocess.run(command, capture_output=True, text=True).stdout.strip().splitlines()[0]
    except (OSError, IndexError):
        return ""


def machine():
    with open("/proc/cpuinfo") as f:
        model = re.search(r"model name\s*: (.*)", f.read())
    with open("/proc/meminfo") as f:
        memory = int(f.readline().split()[1]) >> 20
    nginx = subprocess.run(["/usr/sbin/nginx", "-v"], capture_output=True, text=True).stderr.strip().split("/")[-1]
    return {"processors": os.cpu_count(), "model": model.group(1) if model else platform.machine(), "memory_gib": memory,
            "kernel": platform.release(), "nginx": nginx, "postgresql": first_line("psql", "--version").split()[2],
            "date": datetime.date.today().isoformat(), "load_before": os.getloadavg()[0]}
