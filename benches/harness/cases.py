"""All cases, in the order in which they are run and shown."""
from .registry import CASES
from . import requests, websockets, held, changes  # Importing them registers their cases.

__all__ = ["CASES", "requests", "websockets", "held", "changes"]
