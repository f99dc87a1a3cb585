"""Field managers: who owns which field, and server-side apply with its conflicts."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from .errors import ApiError
from .fieldsets import Fields, Path, Shape, applied_fields, children, compare, decode, encode, readable
from .resources import Resource
from .store import Object, copy, now

_FIRST = "before-first-apply"


@dataclass(frozen=True, slots=True)
class Manager:
    """Who owns fields: a name, an operation (``Apply`` or ``Update``), a version and a subresource."""

    name: str
    operation: str
    api_version: str
    subresource: str = ""

    def __str__(self) -> str:
        words = f'"{self.name}"'
        if self.subresource:
            words += f' with subresource "{self.subresource}"'
        return words + (f" using {self.api_version}" if self.operation == "Update" else "")


@dataclass(frozen=True, slots=True)
class Owned:
    """What a manager owns, and since when."""

    fields: Fields
    time: str


Owners = dict[Manager, Owned]


def owners_of(obj: Object) -> Owners:
    """The managers of an object."""
    found: Owners = {}
    for entry in obj.get("metadata", {}).get("managedFields") or ():
        manager = Manager(
            entry["manager"], entry["operation"], entry["apiVersion"], entry.get("subresource", "")
        )
        found[manager] = Owned(decode(entry.get("fieldsV1", {})), entry.get("time", ""))
    return found


def set_owners(obj: Object, owners: Owners) -> None:
    """Write the managers into an object, those without fields left out: applies first, then by time."""
    entries = []
    kept = [(manager, owned) for manager, owned in owners.items() if owned.fields]
    for manager, owned in sorted(kept, key=lambda pair: (pair[0].operation, pair[1].time, pair[0].name)):
        entry = {
            "manager": manager.name,
            "operation": manager.operation,
            "apiVersion": manager.api_version,
            "time": owned.time,
            "fieldsType": "FieldsV1",
            "fieldsV1": encode(owned.fields),
        }
        entries.append(entry | ({"subresource": manager.subresource} if manager.subresource else {}))
    obj["metadata"].pop("managedFields", None)
    if entries:
        obj["metadata"]["managedFields"] = entries


def record_update(resource: Resource, old: Object | None, new: Object, manager: Manager) -> None:
    """Note in ``new`` what ``manager`` changed by an ordinary write; ``old`` is ``None`` for a create.

    An existing object without managers stays without, until somebody applies it.
    """
    owners = owners_of(old) if old else {}
    if old and not owners:
        new["metadata"].pop("managedFields", None)
        return
    changed, gone = compare(Shape(resource), old or {}, new)
    _take(owners, changed, gone)
    if changed:
        mine = owners.get(manager, Owned(set(), ""))
        owners[manager] = Owned(mine.fields | changed, now())
    set_owners(new, owners)


def _take(owners: Owners, changed: Fields, gone: Fields) -> None:
    """What somebody changes or removes no longer belongs to the others."""
    for manager, owned in list(owners.items()):
        owners[manager] = replace(owned, fields=owned.fields - changed - gone)


def apply_object(
    resource: Resource, live: Object | None, applied: Object, manager: Manager, *, force: bool
) -> Object:
    """The object after a server-side apply.

    Raises:
        ApiError: 409 when other managers own fields that would change, unless ``force``.
    """
    shape = Shape(resource)
    owners = owners_of(live) if live else {}
    if live and not owners:
        everything, _ = compare(shape, {}, live)
        owners[Manager(_FIRST, "Update", manager.api_version)] = Owned(everything, now())
    claimed = applied_fields(shape, applied)
    merged: Object = merge(shape, (), copy(live or {}), applied)
    changed, _ = compare(shape, live or {}, merged)
    _contest(owners, changed & claimed, manager, force=force)
    before = owners.pop(manager, Owned(set(), ""))
    _prune(shape, merged, before.fields - claimed, owners)
    unchanged = before.fields == claimed and live is not None and not compare(shape, live, merged)[0]
    owners[manager] = Owned(claimed, before.time if unchanged else now())
    merged["kind"], merged["apiVersion"] = resource.kind, resource.api_version
    set_owners(merged, owners)
    return merged


def _contest(owners: Owners, wanted: Fields, manager: Manager, *, force: bool) -> None:
    conflicts = [
        (other, path)
        for other, owned in owners.items()
        if other != manager
        for path in sorted(owned.fields & wanted)
    ]
    if conflicts and not force:
        raise _conflict(conflicts)
    for other in {other for other, _ in conflicts}:
        owners[other] = replace(owners[other], fields=owners[other].fields - wanted)


def _conflict(conflicts: list[tuple[Manager, Path]]) -> ApiError:
    conflicts = sorted(conflicts, key=lambda pair: (str(pair[0]), pair[1]))
    causes = [
        {"reason": "FieldManagerConflict", "message": f"conflict with {other}", "field": readable(path)}
        for other, path in conflicts
    ]
    if len(conflicts) == 1:
        words = f"1 conflict: {causes[0]['message']}: {causes[0]['field']}"
    else:
        lines: list[str] = []
        for other, path in conflicts:
            heading = f"conflicts with {other}:"
            lines += [heading] if heading not in lines else []
            lines.append(f"- {readable(path)}")
        words = f"{len(conflicts)} conflicts: " + "\n".join(lines)
    return ApiError(409, "Conflict", f"Apply failed with {words}", {"causes": causes})


def merge(shape: Shape, path: Path, live: Any, applied: Any) -> Any:
    """The live value with an applied one laid over it, list items by their keys."""
    if isinstance(applied, dict) and isinstance(live, dict) and not (path and shape.is_atomic(path)):
        for field, value in applied.items():
            below = (*path, f"f:{field}")
            live[field] = merge(shape, below, live[field], value) if field in live else value
        return live
    if not isinstance(applied, list) or not isinstance(live, list) or not path:
        return applied
    if shape.is_set(path):
        return live + [item for item in applied if item not in live]
    mine, theirs = children(shape, path, applied), children(shape, path, live)
    if mine is None or theirs is None:
        return applied
    items = dict(theirs)
    for step, item in mine:
        items[step] = merge(shape, step, items[step], item) if step in items else item
    return list(items.values())


def _prune(shape: Shape, obj: Object, given_up: Fields, owners: Owners) -> None:
    """Remove what the manager applied before, no longer applies, and nobody else owns."""
    owned: Fields = set().union(*(owned.fields for owned in owners.values()))
    # The shortest first: an item goes whole, with what the server filled in.
    for path in sorted(given_up, key=len):
        if not any(other[: len(path)] == path for other in owned):
            _remove(shape, obj, path)


def _remove(shape: Shape, obj: Any, path: Path) -> None:
    at: Path = ()
    for step in path[:-1]:
        at = (*at, step)
        parts = dict(children(shape, at[:-1], obj) or ())
        if at not in parts:
            return
        obj = parts[at]
    last = path[-1]
    if isinstance(obj, dict):
        obj.pop(last[2:], None)
    elif isinstance(obj, list):
        gone = dict(children(shape, path[:-1], obj) or ()).get(path)
        obj[:] = [item for item in obj if item is not gone and item != gone]
