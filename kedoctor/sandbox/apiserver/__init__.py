"""A small Kubernetes API server that answers as kube-apiserver v1.31 does, from the standard library alone.

It serves the sandbox that repairs are tried in, and the tests of the live cluster port and of repairs. What it
answers is compared with recordings of a real one (tests/lab/test_apiserver.py).
"""

from .edge import (
    NO_ROUTE,
    REFUSED,
    TIMED_OUT,
    WRONG_PORT,
    Command,
    Container,
    Edge,
    Result,
    State,
    Unreachable,
    busybox,
)
from .errors import ApiError
from .faults import Fault, Faults
from .kubelet import Kubelets, Manner
from .rbac import Rule
from .request import ADMIN, ANONYMOUS, Attributes, Request, User
from .resources import METRICS, Resource, Resources
from .server import ApiServer, Seen
from .store import Object, Store

__all__ = [
    "ADMIN",
    "ANONYMOUS",
    "METRICS",
    "NO_ROUTE",
    "REFUSED",
    "TIMED_OUT",
    "WRONG_PORT",
    "ApiError",
    "ApiServer",
    "Attributes",
    "Command",
    "Container",
    "Edge",
    "Fault",
    "Faults",
    "Kubelets",
    "Manner",
    "Object",
    "Request",
    "Resource",
    "Resources",
    "Result",
    "Rule",
    "Seen",
    "State",
    "Store",
    "Unreachable",
    "User",
    "busybox",
]
