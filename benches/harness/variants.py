"""Configurations from templates, and their variants: the access log on, many routes and so on."""
import re

from .keys import CERTS
from .settings import CERTIFICATES, NETWORKS, ROUTES

# What a variant has many of.
COUNTS = {"routes": ROUTES, "certs": CERTIFICATES, "allow": NETWORKS}


def network(n):
    """No two are adjacent, so that they cannot be joined."""
    return f"10.{n >> 7}.{(n & 127) * 2}.0/24"


def fill(text, values, parts, variant):
    """A template with values in the places of `{{NAME}}`. A part has a text for each variant, which
    is repeated if `{{N}}`, `{{NET}}` or `{{PEM}}` is in it, and `default` for the others."""

    def place(found):
        name = found[1]
        if name in values:
            return str(values[name])
        part = parts[name]
        chosen = part.get(variant, part.get("default", ""))
        return fill(many(chosen, variant), values, parts, variant)

    return re.sub(r"\{\{(\w+)\}\}", place, text)


def many(text, variant):
    if not re.search(r"\{\{(N|NET|PEM)\}\}", text):
        return text
    numbered = lambda n: (text.replace("{{NET}}", network(n)).replace("{{N}}", str(n))
                          .replace("{{PEM}}", str(CERTS / f"{n}.pem")))
    return "".join(map(numbered, range(COUNTS[variant])))
